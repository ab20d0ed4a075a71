"""A tiny data set and segmentor for whole trainings of label structure, as config files."""

import functools

from training_runs import shared_folder, train

from labelenc_mm.shape_scenes import CLASSES, write_shape_scenes

SIZE = (64, 64)
NUM_IMAGES = 8
AUTOENCODER = 'label_autoencoder.safetensors'
EXPORTED = 'exported_segmentor.pth'
CHANNELS = (8, 8, 8, 8, 16)

SEGMENTOR = """
_base_ = ['mmseg::_base_/models/fcn_r50-d8.py', 'mmseg::_base_/default_runtime.py']
custom_imports = dict(imports=['labelenc_mm', 'training_hooks'], allow_failed_imports=False)
custom_hooks = [{hooks}]
data_preprocessor = dict(size={size})
model = dict(
    pretrained=None,
    data_preprocessor=data_preprocessor,
    backbone=dict(depth=18, base_channels=8, stem_channels=8),
    decode_head=dict(in_channels=64, channels=16, num_classes={num_classes}),
    auxiliary_head=dict(in_channels=32, channels=8, num_classes={num_classes}),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(128, 64), ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size={size}),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='BaseSegDataset',
    data_root='{data}',
    img_suffix='.png',
    reduce_zero_label={reduce_zero_label},
    metainfo=dict(classes={classes}),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.002))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    param_scheduler=dict(type='ParamSchedulerHook'),
    timer=dict(type='IterTimerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    reseed=dict(type='ReseedHook'),
)
env_cfg = dict(dist_cfg=dict(timeout=60))
randomness = dict(seed=0)
"""
LEARN = """
model = dict(
    _delete_=True, type='LabelAutoEncoder', num_classes={num_classes}, channels={channels}
)
"""
SUPERVISE = """
model = dict(
    type='LabelStructureEncoderDecoder',
    label_structure=[
        dict(init_from='{autoencoder}', channels={channels}),
        dict(
            type='FrozenLabelEncoderHead',
            init_from='{autoencoder}',
            channels={channels},
            features=['backbone.0', 'backbone.3'],
        ),
    ],
)
"""
ALL_CLASSES = ('background', *CLASSES)


@functools.cache
def shared_scenes():
    """The tiny data set, with a band of void along outlines; to be left as it is."""
    root = shared_folder() / 'scenes'
    return write_shape_scenes(root, NUM_IMAGES, NUM_IMAGES, SIZE, void_contour=2, progress=False)


def write_config(path, *parts, data=None, classes=ALL_CLASSES, **values):
    """Write the tiny segmentor's config and a child of it with the given parts, each merged in turn.

    Returns:
        The path of the last child.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        'data': data or shared_scenes(),
        'size': SIZE,
        'classes': tuple(classes),
        'num_classes': len(classes),
        'channels': CHANNELS,
        'reduce_zero_label': False,
        'hooks': '',
        **values,
    }
    base = None
    for index, part in enumerate((SEGMENTOR, *parts)):
        text = part if base is None else f"_base_ = './{base.name}'\n{part}"
        for key, value in values.items():
            text = text.replace(f'{{{key}}}', str(value))
        base = path.with_name(f'{path.stem}_{index}.py')
        base.write_text(text)
    path.write_text(f"_base_ = './{base.name}'\n")
    return path


@functools.cache
def shared_autoencoder():
    """A trained label autoencoder; its run, to be left as it is."""
    config = write_config(shared_folder() / 'learn.py', LEARN)
    return train(config, shared_folder() / 'learn')


def last_metrics(run):
    """The entry of the last validation."""
    return [entry for entry in run.scalars() if 'mIoU' in entry][-1]
