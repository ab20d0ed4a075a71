"""Whole trainings: a backbone from photos alone, then segmentors that take it over, as a user runs them."""

import functools
import re

import pytest
import segmentation_training
import torch
from colorization_models import VGG
from photo_files import picture, write_photos
from PIL import Image
from training_runs import ROOT, differing, run_script, shared_folder, train, weights

ARTEFACT = 'pretrained_segmentor.pth'
NUM_PHOTOS, NUM_GRAY = 8, 3
SCALE = 'mean=[114.45] * 3, std=[255.0] * 3, bgr_to_rgb=True'
PRETRAIN = f"""
size = (64, 64)
model = dict(
    _delete_=True,
    type='ColorizationPretrainer',
    backbone={VGG},
    data_preprocessor=dict(type='SegDataPreProcessor', size=size, {SCALE}),
    decode_head=dict(
        mlp_channels=(16,), sampler=dict(type='UniformPointSampler', num_points=20, border=4)
    ),
)
data_preprocessor = dict(_delete_=True)
pipeline = [
    dict(type='LoadPhoto'),
    dict(type='Resize', scale=size, keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackPhotos'),
]
dataset = dict(type='PhotoDataset', data_root='{{photos}}', pipeline=pipeline)
loader = dict(batch_size=4, num_workers=0)
train_dataloader = dict(
    _delete_=True, **loader, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dataset
)
val_dataloader = dict(
    _delete_=True, **loader, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ColorizationMetric')
test_evaluator = val_evaluator
default_hooks = dict(visualization=dict(type='ColorizationVisualizationHook'))
"""
FINE_TUNE = f"""
size = (64, 64)
model = dict(
    _delete_=True,
    type='HypercolumnEncoderDecoder',
    data_preprocessor=dict(
        type='GraySegDataPreProcessor', size=size, pad_val=0, seg_pad_val=255, {SCALE}
    ),
    backbone=dict(**{VGG}, init_cfg={{init}}),
    neck=dict(type='FieldOfViewNeck', in_channels=12, channels=8),
    decode_head=dict(
        type='HypercolumnHead', num_classes={{num_classes}}, mlp_channels=(8,), num_points=20
    ),
    test_cfg=dict(mode='whole'),
)
data_preprocessor = dict(_delete_=True)
custom_hooks = [{{hooks}}]
train_cfg = dict(max_epochs=1, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=0.0))
"""


@functools.cache
def shared_photos():
    root = shared_folder() / 'photos to color'
    write_photos(root, NUM_PHOTOS - NUM_GRAY)
    for index in range(NUM_GRAY):
        Image.fromarray(picture(seed=90 + index)[..., 0]).save(root / f'gray {index}.png')
    return root


@functools.cache
def pretraining():
    folder = shared_folder()
    config = segmentation_training.write_config(
        folder / 'colorize.py', PRETRAIN, photos=shared_photos(), hooks=''
    )
    return train(config, folder / 'colorize')


def fine_tuned(folder, init='None', hooks=''):
    """Of rate 0: its weights are those that it started from."""
    config = segmentation_training.write_config(
        folder / 'finetune.py', FINE_TUNE, init=init, hooks=hooks
    )
    return train(config, folder / 'finetune')


def test_what_is_left_is_the_backbone_alone():
    run = pretraining()
    left, last = weights(run.work_dir / ARTEFACT), weights(run.work_dir / 'epoch_3.pth')
    backbone = {k: v for k, v in last.items() if k.startswith('backbone.')}
    assert differing(left, backbone) == [] and left.keys() == backbone.keys()
    assert differing(left, weights(run.work_dir / 'epoch_1.pth'))  # it has learned


def test_gray_photos_stay_and_are_counted():
    found = re.findall(r'(\d+) of (\d+) photos of this epoch were gray', pretraining().output)
    assert found == [(str(NUM_GRAY), str(NUM_PHOTOS))] * 3
    assert all(entry['loss_color'] > 0 for entry in pretraining().scalars() if 'loss' in entry)


def test_two_ranks_of_which_one_has_gray_photos_alone_draw_different_points_and_end_equal(tmp_path):
    for index in range(NUM_PHOTOS):  # in turn: of both ranks, without shuffling
        photo = picture(seed=index)
        Image.fromarray(photo[..., 0] if index % 2 else photo).save(tmp_path / f'{index}.png')
    two_each = """
_base_.default_hooks.pop('reseed', None)  # tools/train.py adds it
train_dataloader = dict(batch_size=2, sampler=dict(shuffle=False))
"""
    hooks = "dict(type='KeepWeightsHook'), dict(type='KeepPointsHook')"
    config = segmentation_training.write_config(
        tmp_path / 'c.py', PRETRAIN, two_each, photos=tmp_path, hooks=hooks
    )
    run = train(config, tmp_path / 'run', processes=2)
    kept = [torch.load(run.work_dir / f'points_rank{rank}.pth') for rank in (0, 1)]
    assert [set(rank['gray']) for rank in kept] == [{False}, {True}]
    keys = [[sorted(losses) for losses in rank['losses']] for rank in kept]
    assert keys[0] == keys[1] == [['loss', 'loss_color']] * 6
    assert all(losses['loss'] > 0 for rank in kept for losses in rank['losses'])
    drawn = torch.cat([cells for rank in kept for cells in rank['cells']])
    assert drawn.shape == (24, 20) and len(drawn.sort(1).values.unique(dim=0)) == 24

    ranks = [weights(run.work_dir / f'last_rank{rank}.pth') for rank in (0, 1)]
    assert all('running_' in key for key in differing(*ranks))
    moved = differing(weights(run.work_dir / 'first_rank0.pth'), ranks[0])
    assert {'backbone.conv1_1.conv.weight', 'decode_head.conv_seg.weight'} <= set(moved)
    left = weights(run.work_dir / ARTEFACT)
    assert differing(left, {key: ranks[0][key] for key in left}) == []


def test_a_segmentor_takes_the_backbone_by_our_hook(tmp_path):
    file = pretraining().work_dir / ARTEFACT
    run = fine_tuned(tmp_path, hooks=f"dict(type='LoadPretrainedSegmentor', checkpoint='{file}')")
    told = re.search(r'Segmentor loaded from .* \(colorization\); fresh: (.*)', run.output)
    assert told and told[1].strip() == 'neck, decode_head'
    left, end = weights(file), weights(run.work_dir / 'epoch_1.pth')
    learned = [key for key in left if key.endswith(('.weight', '.bias'))]
    assert learned and all(torch.equal(left[key], end[key]) for key in learned)
    assert 'mIoU' in segmentation_training.last_metrics(run)


def test_a_segmentor_takes_the_backbone_by_init_cfg(tmp_path):
    file = pretraining().work_dir / ARTEFACT
    init = f"dict(type='Pretrained', checkpoint='{file}', prefix='backbone.')"
    run = fine_tuned(tmp_path, init=init)
    left, end = weights(file), weights(run.work_dir / 'epoch_1.pth')
    learned = [key for key in left if key.endswith(('.weight', '.bias'))]
    assert learned and all(torch.equal(left[key], end[key]) for key in learned)


def test_another_backbone_is_refused_with_all_differences(tmp_path):
    from colorization_models import build_pretrainer

    from labelenc_mm.handover.artefact import ArtefactError
    from labelenc_mm.pretraining import load_pretrained_segmentor

    file = str(pretraining().work_dir / ARTEFACT)
    other = build_pretrainer(dict(VGG, fc_channels=13))
    with pytest.raises(ArtefactError, match=r'(?s)fc6.conv.weight: shape.*fc7.conv.weight: shape'):
        load_pretrained_segmentor(other, file)
    with pytest.raises(ArtefactError, match='target: "noise" here, "ColorHistogramTargets" in'):
        load_pretrained_segmentor(build_pretrainer(), file, target='noise')


def test_any_snapshot_is_exported_as_what_the_training_leaves(tmp_path):
    run, out = pretraining(), tmp_path / ARTEFACT
    config = shared_folder() / 'colorize.py'
    export = ROOT / 'tools' / 'export.py'
    run_script(export, config, run.work_dir / 'epoch_1.pth', out, work_dir=tmp_path / 'e')
    first = weights(run.work_dir / 'epoch_1.pth')
    left = weights(out)
    assert left and all(torch.equal(value, first[key]) for key, value in left.items())
