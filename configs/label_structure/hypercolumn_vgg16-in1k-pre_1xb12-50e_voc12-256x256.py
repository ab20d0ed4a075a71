_base_ = [
    './_base_/models/hypercolumn_vgg16.py',
    './_base_/datasets/voc12_256x256.py',
    './_base_/schedules/pretrained_50e.py',
]
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.pytorch.org/models/vgg16-397923af.pth'
        )
    ),
    # Zero mean and unit variance (sec. 4.1).
    decode_head=dict(tap_norm_cfg=dict(type='SyncBN', affine=False)),
)
