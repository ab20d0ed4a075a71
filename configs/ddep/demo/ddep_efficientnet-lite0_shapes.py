# The decoder of this folder's U-Net, pretrained on the images of shape scenes alone.
_base_ = '../voc12/ddep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-64x64.py'
size = (64, 64)
model = dict(data_preprocessor=dict(size=size))
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='JointRandomResizedCrop', scale=size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [dict(type='LoadPhoto'), dict(type='PackPhotos')]
dataset = dict(_delete_=True, type='PhotoDataset', data_root='data/shapes/')
train_dataloader = dict(
    dataset=dict(**dataset, data_prefix=dict(img_path='images/train'), pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(**dataset, data_prefix=dict(img_path='images/val'), pipeline=test_pipeline)
)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=4, val_interval=4)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=4,
        T_max=4,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(checkpoint=dict(interval=4))
