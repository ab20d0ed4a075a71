# Colorization of shape scenes in the colors of their training images, without labels.
_base_ = '../voc12/colorize_vgg16-narrow-hist_1xb16-50e_photos-96x96.py'
size = (64, 64)
model = dict(
    data_preprocessor=dict(size=size),
    decode_head=dict(sampler=dict(border=0)),
)
train_pipeline = [
    dict(type='LoadPhoto'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
test_pipeline = [dict(type='LoadPhoto'), dict(type='PackPhotos')]
dataset = dict(
    _delete_=True,
    type='PhotoDataset',
    data_root='data/shapes/',
    data_prefix=dict(img_path='images/train'),
)
train_dataloader = dict(dataset=dict(**dataset, ann_file='photos.txt', pipeline=train_pipeline))
# Held-out training images: those of val have other colors.
val_dataloader = dict(dataset=dict(**dataset, ann_file='held_out.txt', pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=6, val_interval=1)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=6,
        T_max=6,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(checkpoint=dict(interval=6))
