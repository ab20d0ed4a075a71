# The decoder of the demonstration's U-Net, pretrained on shape scenes without labels.
_base_ = './unet_efficientnet-lite0_shapes.py'
model = dict(type='DenoisingDecoderPretrainer', corruption=dict(gamma=0.95))

train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='JointRandomResizedCrop', scale=(96, 96), area_range=(0.3, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [dict(type='LoadPhoto'), dict(type='PackPhotos')]
train_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='PhotoDataset',
        data_root='data/shapes/',
        data_prefix=dict(img_path='images/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PhotoDataset',
        data_root='data/shapes/',
        data_prefix=dict(img_path='images/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='DenoisingMetric')
test_evaluator = val_evaluator

train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=8, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=None)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=8,
        T_max=8,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=True),
    checkpoint=dict(_delete_=True, type='CheckpointHook', interval=2, max_keep_ckpts=1),
    visualization=dict(type='DenoisingVisualizationHook', interval=20, max_pictures=6),
)
log_processor = dict(by_epoch=True)
