# The same photos for ResNet-152: crops of 224x224 (sec. 3.1). That shorter sides are smaller by as much, 224 to 382, the
# paper does not say.
_base_ = './photos_352x352.py'
crop_size = (224, 224)
train_pipeline = [
    dict(type='LoadPhoto', reduce_to=382),
    dict(type='RandomResize', scale=[(100000, 224), (100000, 382)], keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=224),
    dict(type='Resize', scale=crop_size, keep_ratio=False),
    dict(type='PackPhotos'),
]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type='PhotoDataset',
                data_root=f'data/{name}/',
                ann_file='photos_train.txt',
                pipeline=train_pipeline,
            )
            for name in ('imagenet', 'places205')
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
