# A hypercolumn of a narrow VGG-16 on gray images, from random weights, on 1100 / 349 images of PASCAL VOC 2012 at 96
# pixels: the paper's segmentor, a fourth as wide, as this folder's pretrainings have it. What is scaled with it: a hidden
# layer of 256, and points at least 7 pixels from the border, of which 256 an image make up for few iterations. There is
# no dropout. 700 iterations are too few for a VGG without batch normalisation (3.5 mIoU from random weights, with it
# 8.0), so the one of the pretrainings stays, and taps are normalised; the classes learn ten times as fast.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)
size = (96, 96)
norm_cfg = dict(type='BN', affine=False)
model = dict(
    type='HypercolumnEncoderDecoder',
    data_preprocessor=dict(
        type='GraySegDataPreProcessor',
        size=size,
        mean=[114.45] * 3,
        std=[255.0] * 3,
        bgr_to_rgb=True,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='TappedVGG',
        in_channels=1,
        base_channels=16,
        fc_channels=256,
        norm_cfg=norm_cfg,
        fc_norm_cfg=norm_cfg,
        fc_dropout=0.0,
        taps=(
            ['data', 'conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1', 'conv3_2', 'conv3_3']
            + ['conv4_1', 'conv4_2', 'conv4_3', 'conv5_1', 'conv5_2', 'conv5_3', 'fc6', 'fc7']
        ),
    ),
    decode_head=dict(
        type='HypercolumnHead',
        num_classes=21,
        mlp_channels=[256],
        mlp_dropout=0.0,
        tap_norm_cfg=norm_cfg,
        num_points=256,
        point_border=7,
        test_stride=4,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        init_cfg=dict(
            type='Kaiming',
            layer='Conv2d',
            override=dict(type='Normal', name='projection', std=1e-4),
        ),
    ),
    test_cfg=dict(mode='whole'),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='JointRandomResizedCrop', scale=size, area_range=(0.5, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='PascalVOCDataset',
    data_root='data/voc12/',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
)
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
    dataset=dict(**dataset, ann_file='val.txt', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

# As many iterations whatever the number of images. AdamW and cosine decay take the place of SGD, as in this folder's
# pretrainings; evidence.yml chooses the rate.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=700, val_interval=700)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(custom_keys=dict(conv_seg=dict(lr_mult=10.0))),
)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=700, T_max=700, by_epoch=False)]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=700, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
