# VGG-16 for the classes of VOC 2007: the loss is their sum, the last layer begins with N(0, 0.01) and biases of 0.1
# (code of Krähenbühl and others).
_base_ = './classifier_vgg16.py'
model = dict(
    num_classes=20,
    multi_label=True,
    loss_weight=20.0,
    init_cfg=dict(type='Normal', layer='Linear', std=0.01, bias=0.1),
)
