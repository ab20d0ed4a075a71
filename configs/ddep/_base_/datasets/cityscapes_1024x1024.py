# Cityscapes in the words of the paper (sec. 5.1): random crops of 1024x1024 and flips in training, no change of
# scale or colours. Inference is on halves of 1024x1024, for which the model says
# test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(1024, 1024)), and with --tta of both flips.
_base_ = 'mmseg::_base_/datasets/cityscapes_1024x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(1024, 1024)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(2048, 1024), keep_ratio=True)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
