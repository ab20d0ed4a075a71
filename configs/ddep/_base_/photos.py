# Photos without labels for denoising pretraining at 224x224 (sec. 5.1): random crops of 8 to 100 % of a photo,
# resized (inception crops, sec. 6), and flips; validation on held-out photos, each whole and resized.
# Two lists below data_root name the photos, one path a line; the README says how to make them.
size = (224, 224)
train_pipeline = [
    dict(type='LoadPhoto', reduce_to=915),  # 224 / sqrt(0.08 * 3/4): no crop is enlarged for it
    dict(type='JointRandomResizedCrop', scale=size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=224),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='PackPhotos'),
]
train_dataloader = dict(
    batch_size=64,  # on each of 8 GPUs
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='PhotoDataset',
        data_root='data/photos/',
        ann_file='photos_train.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PhotoDataset',
        data_root='data/photos/',
        ann_file='photos_val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='DenoisingMetric')
test_evaluator = val_evaluator
