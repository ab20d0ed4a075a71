_base_ = [
    './_base_/models/hypercolumn_densenet67.py',
    './_base_/datasets/voc12_rrc-256x256.py',
    './_base_/schedules/pretrained_50e.py',
]
model = dict(
    backbone=dict(
        arch=121,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/densenet121-a639ec97.pth',
        ),
    ),
    decode_head=dict(tap_norm_cfg=dict(type='SyncBN', affine=False)),
)
