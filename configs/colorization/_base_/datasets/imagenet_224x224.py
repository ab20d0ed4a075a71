# ImageNet and lists of its images by tools/make_imagenet_variants.py. Crops of 224x224 of images whose shorter side has
# 256 pixels, mirrored or not; single center crops for the test (sec. 6). The 256 is ours.
crop_size = (224, 224)
train_pipeline = [
    dict(type='LoadPhoto', reduce_to=256),
    dict(type='Resize', scale=(100000, 256), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackClassInputs'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=256),
    dict(type='Resize', scale=(100000, 256), keep_ratio=True),
    dict(type='CropAt', crop_size=crop_size),
    dict(type='PackClassInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ImageListDataset',
        data_root='data/imagenet/',
        data_prefix=dict(img_path='train'),
        ann_file='variants/all.txt',
        num_classes=1000,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageListDataset',
        data_root='data/imagenet/',
        data_prefix=dict(img_path='val'),
        ann_file='variants/all_val.txt',
        num_classes=1000,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassificationMetric')
test_evaluator = val_evaluator
