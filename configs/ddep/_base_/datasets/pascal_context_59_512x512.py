# Pascal Context, 59 classes, in the words of the paper (sec. 5.1): random crops of 512x512 and flips in training,
# no change of scale or colours. With --tta the stock pipeline tests at 0.5 to 1.75 of an image's own size, in
# steps of 0.25, with both flips, as the paper does.
_base_ = 'mmseg::_base_/datasets/pascal_context_59.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomCrop', crop_size=(512, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
