# BSDS500 as HED and PixelNet have it (PixelNet, sec. 5.3): 300 images of train and val at 16 angles and mirrored, which
# makes 9600 an epoch, each at half or full size; the 200 images of test at full size.
data_root = 'data/bsds500/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap'),
    dict(type='RandomTurn', num_angles=16),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ResizeWithEdges', scales=(0.5, 1.0)),
    dict(type='PackEdgeInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap', keep_annotators=True),
    dict(type='PackEdgeInputs'),
]
train_dataloader = dict(
    batch_size=5,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='RepeatDataset',
        times=32,
        dataset=dict(
            type='BSDSEdgeDataset',
            data_root=data_root,
            ann_file=['train.txt', 'val.txt'],
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BSDSEdgeDataset',
        data_root=data_root,
        ann_file='test.txt',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='BoundaryMetric', num_thresholds=99)
test_evaluator = val_evaluator
# For --tta: both scales of the training and both flips.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap', keep_annotators=True),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='ResizeWithEdges', scales=(scale,)) for scale in (0.5, 1.0)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackEdgeInputs')],
        ],
    ),
]
