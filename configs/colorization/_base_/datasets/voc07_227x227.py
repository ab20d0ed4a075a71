# The same at 227 pixels, for AlexNet.
_base_ = './voc07_224x224.py'
crop_size = (227, 227)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='RandomResize', scale=(500, 500), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackClassInputs'),
]
test_pipeline = [
    dict(type='LoadPhoto', min_side=227),
    dict(type='CropAt', crop_size=crop_size),
    dict(type='PackClassInputs'),
]
tta_pipeline = [
    dict(type='LoadPhoto', min_side=227),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='CropAt', crop_size=crop_size, place=(0, 0)),
                dict(type='CropAt', crop_size=crop_size, place=(0, 1)),
                dict(type='CropAt', crop_size=crop_size, place=(1, 0)),
                dict(type='CropAt', crop_size=crop_size, place=(1, 1)),
                dict(type='CropAt', crop_size=crop_size, place=(0.5, 0.5)),
            ],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackClassInputs')],
        ],
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
