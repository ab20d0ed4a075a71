"""A tiny data set and detector for whole trainings in tests, as config files."""

import json

from labelenc_mm.shape_scenes import CLASSES, write_shape_scenes

SIZE = (64, 96)  # (H, W) of the images; the network sees them 1.25 times as large
NUM_IMAGES = 8
DETECTOR = """
_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
model = dict(
    backbone=dict(base_channels=8, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(
        num_classes={num_classes},
        in_channels=16,
        feat_channels=16,
        stacked_convs=1,
        anchor_generator=dict(octave_base_scale=2),
    ),
    # So few iterations find nothing with confidence: let the metrics see every box, so that they are
    # numbers to compare and not zeros.
    test_cfg=dict(score_thr=0.0, max_per_img=300),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=(120, 80), ratio_range=(0.8, 1.2), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(120, 80), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root='{data}',
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/train/'),
        metainfo=dict(classes={classes}),
        filter_cfg=None,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root='{data}',
        ann_file='annotations/val.json',
        data_prefix=dict(img='images/val/'),
        metainfo=dict(classes={classes}),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file='{data}/annotations/val.json', metric_items=['mAP', 'mAP_50', 'AR@100', 'AR@300']
)
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=4, val_interval=4)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=0.002, weight_decay=0.05),
)
param_scheduler = [dict(type='MultiStepLR', begin=0, end=4, by_epoch=True, milestones=[3])]
default_hooks = dict(
    logger=dict(interval=1),
    reseed=dict(type='ReseedHook'),
)
env_cfg = dict(dist_cfg=dict(timeout=60))
randomness = dict(seed=0)
"""
STEP1 = """
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='autoencode',
        encoder=dict(stem_channels=8, out_channels=(16, 32, 48, 64)),
    ),
)
"""
STEP2 = """
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='supervise',
        init_from='{step1}',
        encoder=dict(stem_channels=8, out_channels=(16, 32, 48, 64)),
    ),
)
"""
ONE_RUN = """
model = dict(
    type='LabelEncRetinaNet',
    labelenc=dict(
        stage='one-run',
        image_begin=None,
        label_share=0.25,
        encoder=dict(stem_channels=8, out_channels=(16, 32, 48, 64)),
    ),
)
"""
# Of one run: parts of it come and go.
PHASES = """
model = dict(labelenc=dict(compare_all=True, distance_begin=0, detach_end=1, label_end=2))
"""
# Or the images begin after the first epoch.
LABELS_FIRST = """
model = dict(labelenc=dict(image_begin=1))
"""
WARM_UP = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
    dict(type='MultiStepLR', begin=0, end=4, by_epoch=True, milestones=[3]),
]
"""
HOOKS = """
custom_imports = dict(imports=['labelenc_mm', 'training_hooks'], allow_failed_imports=False)
custom_hooks = [{hooks}]
"""

EMA = """
dict(
    type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.3, update_buffers={buffers}
), dict(type='KeepWeightsHook')
"""
ACCUMULATION = """
train_cfg = dict(max_epochs=2, val_interval=9)
optim_wrapper = dict(
    accumulative_counts=2,
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={'labelenc.encoder': dict(lr_mult=0.0), 'backbone': dict(lr_mult=0.1)},
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomChoiceResize', scales=[(96, 64), (150, 100), (192, 128)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
"""
MAX_ITERS = 9
ITERATIONS = f"""
train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters={MAX_ITERS}, val_interval={MAX_ITERS}
)
param_scheduler = [dict(type='MultiStepLR', begin=0, end={MAX_ITERS}, by_epoch=False, milestones=[6])]
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3))
log_processor = dict(by_epoch=False)
"""


def write_data(root):
    """The tiny data set of shape scenes, with an image without objects in either split."""
    write_shape_scenes(root, NUM_IMAGES, NUM_IMAGES, SIZE, progress=False)
    for split in ('train', 'val'):
        edit_annotations(
            root / 'annotations' / f'{split}.json',
            lambda coco: coco.update(
                annotations=[a for a in coco['annotations'] if a['image_id'] != 2]
            ),
        )
    return root


def edit_annotations(path, edit, out=None):
    """Apply a function to the content of a COCO file."""
    coco = json.loads(path.read_text())
    edit(coco)
    (out or path).write_text(json.dumps(coco))
    return out or path


def write_config(path, data, *parts, num_classes=None, classes=CLASSES, **values):
    """Write the tiny detector's config and a child of it with the given parts, each merged in turn.

    Returns:
        The path of the last child.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    base = path.with_name(f'{path.stem}_base.py')
    num_classes = num_classes or len(classes)
    base.write_text(DETECTOR.format(data=data, num_classes=num_classes, classes=tuple(classes)))
    for index, part in enumerate(parts):
        child = path.with_name(f'{path.stem}_{index}.py')
        text = part
        for key, value in values.items():
            text = text.replace(f'{{{key}}}', str(value))
        child.write_text(f"_base_ = './{base.name}'\n{text}")
        base = child
    path.write_text(f"_base_ = './{base.name}'\n")
    return path
