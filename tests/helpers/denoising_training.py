"""A tiny U-Net for whole trainings of denoising pretraining, and of fine-tuning after it."""

import functools

import segmentation_training
from photo_files import write_photos
from training_runs import shared_folder, train

NUM_PHOTOS = 8
ARTEFACT = 'pretrained_segmentor.pth'
KEEP = "dict(type='KeepWeightsHook')"

UNET = """
model = dict(
    backbone=dict(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1)),
    decode_head=dict(
        _delete_=True,
        type='UNetDecoderHead',
        in_channels=[8, 16, 32, 64],
        strides=[4, 8, 16, 32],
        channels_list=[16, 12, 8, 6, 6],
        num_classes={num_classes},
    ),
)
"""
PRETRAIN = """
crop = (32, 32)
model = dict(type='DenoisingDecoderPretrainer', data_preprocessor=dict(size=crop))
photos = dict(type='PhotoDataset', data_root='{photos}')
train_dataloader = dict(
    _delete_=True,
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **photos,
        data_prefix=dict(img_path='train'),
        pipeline=[
            dict(type='LoadPhoto'),
            dict(type='JointRandomResizedCrop', scale=crop),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackPhotos'),
        ],
    ),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **photos,
        data_prefix=dict(img_path='val'),
        pipeline=[dict(type='LoadPhoto'), dict(type='PackPhotos')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='DenoisingMetric')
test_evaluator = val_evaluator
default_hooks = dict(visualization=dict(type='DenoisingVisualizationHook', interval=2))
"""
FINE_TUNE = """
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint='{pretrained}'), {hooks}]
"""


@functools.cache
def shared_photos():
    """Photos of a training and of a validation, to be left as they are; the latter of several sizes."""
    root = shared_folder() / 'photos'
    write_photos(root / 'train', NUM_PHOTOS)
    for index, size in enumerate([(48, 64), (41, 55), (64, 47)]):
        write_photos(root / 'val' / str(index), 1, size)
    return root


def write_config(path, *parts, **values):
    """Write the config of the tiny U-Net's fine-tuning, with parts and values as of a segmentor's."""
    values = {'photos': shared_photos(), **values}
    return segmentation_training.write_config(path, UNET, *parts, **values)


@functools.cache
def shared_pretraining():
    """A pretraining: its run, to be left as it is. Its config is ``pretrain.py`` in the shared folder."""
    config = write_config(shared_folder() / 'pretrain.py', PRETRAIN, hooks=KEEP)
    return train(config, shared_folder() / 'pretrain')


def is_encoder(key):
    return key.startswith('backbone.')
