# The same at half the size, trained shorter and compared at 33 thresholds: what evidence.yml repeats.
_base_ = './pixelnet_efficientnet-lite0_positives-25_1xb8-1000_bsds500.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap'),
    dict(type='RandomTurn', num_angles=16),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ResizeWithEdges', scales=(0.5,)),
    dict(type='RandomCrop', crop_size=(160, 160)),
    dict(type='PackEdgeInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap', keep_annotators=True),
    dict(type='ResizeWithEdges', scales=(0.5,)),
    dict(type='PackEdgeInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(num_thresholds=33)
test_evaluator = val_evaluator
train_cfg = dict(max_iters=300, val_interval=300)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=300, T_max=300, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=300))
