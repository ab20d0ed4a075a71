# A hypercolumn of a narrow VGG-16 on gray shape scenes, from random weights; without batch normalisation, which is
# absorbed into what colorization has left, as in the paper.
_base_ = '../voc12/hypercolumn_vgg16-narrow_1xb8-700_voc12-96x96.py'
size = (64, 64)
classes = ('background', 'house', 'tree', 'person', 'car', 'boat', 'bird', 'fish', 'lamp')
palette = [
    [0, 0, 0],
    [220, 60, 50],
    [60, 160, 60],
    [240, 170, 120],
    [70, 90, 220],
    [150, 80, 30],
    [240, 220, 60],
    [240, 120, 200],
    [120, 200, 220],
]
model = dict(
    data_preprocessor=dict(size=size),
    backbone=dict(norm_cfg=None, fc_norm_cfg=None),
    decode_head=dict(num_classes=len(classes), point_border=0, tap_norm_cfg=None),
)
optim_wrapper = dict(paramwise_cfg=None)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
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
    metainfo=dict(classes=classes, palette=palette),
    ann_file='',
)
train_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(max_iters=400, val_interval=400)
param_scheduler = [dict(type='CosineAnnealingLR', begin=0, end=400, T_max=400, by_epoch=False)]
visualizer = dict(type='MapVisualizer')
default_hooks = dict(
    checkpoint=dict(interval=400),
    visualization=dict(type='SegVisualizationHook', draw=True, interval=25),
)
