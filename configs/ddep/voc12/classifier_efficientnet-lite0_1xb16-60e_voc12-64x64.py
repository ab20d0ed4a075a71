# The encoder of this folder's U-Net, learned from the classes of the 1100 images as a whole and from nothing else:
# what a supervised encoder is without ImageNet.
_base_ = './unet-narrow_efficientnet-lite0_1xb16-600_voc12-64x64.py'
size = (64, 64)
model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(
        type='SegDataPreProcessor', size=size, mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True
    ),
    backbone=dict(type='EfficientNetLite'),
    num_classes=20,
    multi_label=True,
)
train_pipeline = [
    dict(type='LoadPhoto', reduce_to=96),
    dict(type='JointRandomResizedCrop', scale=size, area_range=(0.25, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackClassInputs'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=64),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='PackClassInputs'),
]
dataset = dict(type='ImageListDataset', data_root='data/voc12/', num_classes=20)
train_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    # tools/dataset_converters/image_labels.py makes the lists of train.json and val.json.
    dataset=dict(**dataset, ann_file='train_classes.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='val_classes.txt', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ClassificationMetric', multi_label=True)
test_evaluator = val_evaluator

train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=60, val_interval=20)
optim_wrapper = dict(optimizer=dict(lr=2e-3, weight_decay=0.05), paramwise_cfg=None)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=60,
        T_max=60,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=True),
    checkpoint=dict(_delete_=True, type='CheckpointHook', interval=20, max_keep_ckpts=1),
)
log_processor = dict(by_epoch=True)
