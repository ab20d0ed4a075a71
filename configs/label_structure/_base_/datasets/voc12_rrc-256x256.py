# The same with the paper's augmentation (sec. 4.1): random resized crops and horizontal flips.
_base_ = './voc12_256x256.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='JointRandomResizedCrop', scale=_base_.crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
