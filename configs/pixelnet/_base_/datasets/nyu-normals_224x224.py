# NYUv2 with the normals of Ladicky et al. (PixelNet, sec. 5.2): 795 photos for training, 654 for testing, in the layout
# of NYUNormalDataset. The paper says "224x224": here photos are brought to that height and cropped in training, so that
# nothing is stretched, which would turn the normals.
data_root = 'data/nyuv2_normals/'
scale = (1000, 224)  # the shorter side
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadNormals'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomCrop', crop_size=(224, 224)),
    dict(type='RandomFlipNormals', prob=0.5),
    dict(type='PackNormals'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='LoadNormals'),  # after Resize: the map keeps its size
    dict(type='PackNormals'),
]
# For --tta: both flips.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=scale, keep_ratio=True)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadNormals')],
            [dict(type='PackNormals')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=5,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='NYUNormalDataset',
        data_root=data_root,
        ann_file='train.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='NYUNormalDataset',
        data_root=data_root,
        ann_file='test.txt',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SurfaceNormalMetric')
test_evaluator = val_evaluator
