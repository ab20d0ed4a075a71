# VOC 2007 classification: 5,011 images of trainval, 4,952 of test (sec. 5.1); tools/dataset_converters/voc07.py writes the
# lists. Images, whose longer side has 500 pixels, are scaled by 0.5 to 2, and crops of them mirrored or not (code of
# Krähenbühl and others). At test time, unscaled, it is the middle, or with --tta ten crops.
crop_size = (224, 224)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='RandomResize', scale=(500, 500), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackClassInputs'),
]
test_pipeline = [
    dict(type='LoadPhoto', min_side=224),
    dict(type='CropAt', crop_size=crop_size),
    dict(type='PackClassInputs'),
]
tta_pipeline = [
    dict(type='LoadPhoto', min_side=224),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='CropAt', crop_size=crop_size, place=(0, 0)),
                dict(type='CropAt', crop_size=crop_size, place=(0, 1)),
                dict(type='CropAt', crop_size=crop_size, place=(1, 0)),
                dict(type='CropAt', crop_size=crop_size, place=(1, 1)),
                dict(type='CropAt', crop_size=crop_size, place=(0.5, 0.5)),
            ],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='PackClassInputs')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='ImageListDataset',
        data_root='data/VOCdevkit/VOC2007/',
        ann_file='trainval.txt',
        num_classes=20,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageListDataset',
        data_root='data/VOCdevkit/VOC2007/',
        ann_file='test.txt',
        num_classes=20,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ClassificationMetric', multi_label=True)
test_evaluator = val_evaluator
