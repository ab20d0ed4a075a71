# ResNet-152 for the classes of VOC 2007.
_base_ = './classifier_r152.py'
model = dict(
    num_classes=20,
    multi_label=True,
    loss_weight=20.0,
    init_cfg=dict(type='Normal', layer='Linear', std=0.01, bias=0.1),
)
