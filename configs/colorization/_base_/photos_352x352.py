# Photos of ImageNet and of Places205, 1.3 and 2.4 million (sec. 3.1): the shorter side has 352 to 600 pixels, of which
# 352x352 are cut out, mirrored or not. A list in each folder names its photos, one path a line.
crop_size = (352, 352)
train_pipeline = [
    dict(type='LoadPhoto', reduce_to=600),
    dict(type='RandomResize', scale=[(100000, 352), (100000, 600)], keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=352),
    dict(type='Resize', scale=crop_size, keep_ratio=False),
    dict(type='PackPhotos'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(
                type='PhotoDataset',
                data_root='data/imagenet/',
                ann_file='photos_train.txt',
                pipeline=train_pipeline,
            ),
            dict(
                type='PhotoDataset',
                data_root='data/places205/',
                ann_file='photos_train.txt',
                pipeline=train_pipeline,
            ),
        ],
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PhotoDataset',
        data_root='data/imagenet/',
        ann_file='photos_val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ColorizationMetric')
test_evaluator = val_evaluator
