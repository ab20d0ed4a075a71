# Colorization on 1543 photos without labels, from scratch: the paper's network, a fourth as wide and at 96 pixels, so
# that one CPU core trains it in an hour. What is scaled with it: crops of 96 pixels of photos whose shorter side has
# 96 to 164, points at least 26 pixels from the border, a hidden layer of 256. There is no dropout, and batch
# normalisation gathers its statistics ten times faster than in the paper's 500,000 iterations. AdamW and cosine decay
# take the place of SGD: 4,850 iterations are few.
_base_ = '../_base_/default_runtime.py'
randomness = dict(seed=0)
size = (96, 96)
norm_cfg = dict(type='BN', affine=False)
model = dict(
    type='ColorizationPretrainer',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        size=size,
        mean=[114.45] * 3,
        std=[255.0] * 3,
        bgr_to_rgb=True,
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
        init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    ),
    decode_head=dict(
        type='ColorHistogramHead',
        mlp_channels=[256],
        mlp_dropout=0.0,
        sampler=dict(type='UniformPointSampler', num_points=128, border=26),
    ),
)

train_pipeline = [
    dict(type='LoadPhoto', reduce_to=164),
    dict(type='RandomResize', scale=[(10000, 96), (10000, 164)], keep_ratio=True),
    dict(type='RandomCrop', crop_size=size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=96),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='PackPhotos'),
]
photos = dict(type='PhotoDataset', data_root='data/')
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**photos, ann_file='PRETRAIN_PHOTOS.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**photos, ann_file='PRETRAIN_PHOTOS_VAL.txt', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ColorizationMetric')
test_evaluator = val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=50, val_interval=5)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4, fused=True)
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=50,
        T_max=50,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=5, max_keep_ckpts=2),
    visualization=dict(interval=20),
)
