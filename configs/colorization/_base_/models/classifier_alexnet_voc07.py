# AlexNet for the classes of VOC 2007, at its 227 pixels.
_base_ = './classifier_alexnet.py'
model = dict(
    data_preprocessor=dict(size=(227, 227)),
    num_classes=20,
    multi_label=True,
    loss_weight=20.0,
    init_cfg=dict(type='Normal', layer='Linear', std=0.01, bias=0.1),
)
