# PASCAL VOC 2012 with the labels of SBD, 10,582 / 1,449 images: crops of 448x448 at the original scale, mirrored or not
# (sec. 4.1 and 5.1), ten a batch (released code). What an image lacks of a crop is void; the released code takes it for
# background. Whole images are tested.
_base_ = 'mmseg::_base_/datasets/pascal_voc12_aug.py'
crop_size = (448, 448)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='CheckLabelMapSize'),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='CheckLabelMapSize'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=10,
    dataset=dict(
        datasets=[
            dict(_base_.dataset_train, pipeline=train_pipeline),
            dict(_base_.dataset_aug, pipeline=train_pipeline),
        ]
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
