# A narrow U-Net on EfficientNet-Lite0 with ImageNet weights, on shape scenes (tools/make_shape_scenes.py).
_base_ = '../voc12/unet-narrow_efficientnet-lite0_1xb16-600_voc12-64x64.py'
size = (64, 64)
classes = ('background', 'house', 'tree', 'person', 'car', 'boat', 'bird', 'fish', 'lamp')
model = dict(data_preprocessor=dict(size=size), decode_head=dict(num_classes=len(classes)))

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
    _delete_=True,
    type='BaseSegDataset',
    data_root='data/shapes/',
    img_suffix='.png',
    metainfo=dict(classes=classes),
)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        ann_file='',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        ann_file='',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(max_iters=500, val_interval=500)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=500, T_max=500, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=500))
