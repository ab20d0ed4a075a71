# A narrow VGG-16 with hypercolumns (label structure, CVPR 2018, sec. 3), from scratch on 1100 / 349 images
# of PASCAL VOC 2012: a real data set that two CPU cores can carry. The baseline of this folder.
# Without augmentation, where the paper's gains are largest.
_base_ = ['../_base_/models/hypercolumn_vgg16.py', 'mmseg::_base_/default_runtime.py']
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
randomness = dict(seed=0)
size = (96, 96)
data_preprocessor = dict(size=size)

# A quarter of the width. Batch normalisation, which the paper does not mention, a ten times higher rate and
# half the batch make up for a tenth of its epochs.
model = dict(
    data_preprocessor=dict(size=size),
    backbone=dict(base_channels=16, norm_cfg=dict(type='BN')),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=size, keep_ratio=False),
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
    batch_size=6,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='val.txt', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
# A fifth of the training at a tenth of the rate (sec. 4: 80 and 20 epochs).
param_scheduler = [dict(type='MultiStepLR', begin=0, end=10, by_epoch=True, milestones=[8])]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=40),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=2, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
log_processor = dict(by_epoch=True)
