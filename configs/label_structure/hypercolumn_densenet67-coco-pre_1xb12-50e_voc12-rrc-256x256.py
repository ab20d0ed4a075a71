# Schedule and normalisation of the hypercolumn are those of ImageNet pretraining: inferred.
_base_ = [
    './_base_/models/hypercolumn_densenet67.py',
    './_base_/datasets/voc12_rrc-256x256.py',
    './_base_/schedules/pretrained_50e.py',
]
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/hypercolumn_densenet67_1xb12-20e_coco-stuff164k-rrc-256x256/epoch_20.pth',
            prefix='backbone.',
        )
    ),
    decode_head=dict(tap_norm_cfg=dict(type='SyncBN', affine=False)),
)
