# The start that labels of whole images give: the network of this folder's pretrainings learns which of the 20 classes a
# gray image of PASCAL VOC 2012 shows, in as many iterations as they have, and from the same crops.
_base_ = './colorize_vgg16-narrow-hist_1xb16-50e_photos-96x96.py'
model = dict(
    _delete_=True,
    type='ImageClassifier',
    num_classes=20,
    multi_label=True,
    data_preprocessor=dict(
        type='GraySegDataPreProcessor',
        size=(96, 96),
        mean=[114.45] * 3,
        std=[255.0] * 3,
        bgr_to_rgb=True,
    ),
    backbone=dict(_base_.model.backbone, taps=['fc7']),
)
train_pipeline = [
    dict(type='LoadPhoto', reduce_to=164),
    dict(type='RandomResize', scale=[(10000, 96), (10000, 164)], keep_ratio=True),
    dict(type='RandomCrop', crop_size=(96, 96)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackClassInputs'),
]
test_pipeline = [
    dict(type='LoadPhoto', reduce_to=96),
    dict(type='Resize', scale=(96, 96), keep_ratio=False),
    dict(type='PackClassInputs'),
]
# Lists by tools/dataset_converters/image_labels.py.
images = dict(_delete_=True, type='ImageListDataset', num_classes=20, data_root='data/voc12/')
train_dataloader = dict(
    dataset=dict(**images, ann_file='train_classes.txt', pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(**images, ann_file='val_classes.txt', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ClassificationMetric', multi_label=True)
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=70, val_interval=5)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=70,
        T_max=70,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(visualization=dict(_delete_=True, type='SegVisualizationHook'))
