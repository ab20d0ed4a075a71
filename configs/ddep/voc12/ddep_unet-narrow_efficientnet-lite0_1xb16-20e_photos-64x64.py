# The decoder of this folder's U-Net, pretrained on 1543 photos without labels.
_base_ = './unet-narrow_efficientnet-lite0_1xb16-600_voc12-64x64.py'
size = (64, 64)
model = dict(type='DenoisingDecoderPretrainer', corruption=dict(gamma=0.95))

train_pipeline = [
    dict(type='LoadPhoto', reduce_to=96),
    dict(type='JointRandomResizedCrop', scale=size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=64),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='PackPhotos'),
]
dataset = dict(type='PhotoDataset', data_root='data/')
train_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='PRETRAIN_PHOTOS.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='PRETRAIN_PHOTOS_VAL.txt', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='DenoisingMetric')
test_evaluator = val_evaluator

train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=20, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=None)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=20,
        T_max=20,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=True),
    checkpoint=dict(_delete_=True, type='CheckpointHook', interval=5, max_keep_ckpts=1),
    visualization=dict(type='DenoisingVisualizationHook', interval=20),
)
log_processor = dict(by_epoch=True)
