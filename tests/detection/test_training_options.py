"""Trainings with what users add to a config: averaging, accumulation, augmentation, options."""

from pathlib import Path

import pytest
from training_configs import ACCUMULATION, EMA, HOOKS, STEP1, STEP2, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    ROOT,
    active_per_epoch,
    differing,
    is_stock,
    run_script,
    shared_data,
    shared_folder,
    shared_step1,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.handover.artefact import load_tensors


@pytest.fixture(scope='module')
def step1():
    return shared_step1()


@pytest.mark.parametrize('stage', ['autoencode', 'supervise'])
def test_averaged_weights_are_handed_over_and_exported(stage, step1, tmp_path):
    part = STEP1 if stage == 'autoencode' else STEP2
    hooks = EMA.format(buffers=stage == 'supervise')
    path = step1.work_dir / ENCODING
    config = write_config(tmp_path / 'ema.py', shared_data(), part, HOOKS, hooks=hooks, step1=path)
    run = train(config, tmp_path / 'run', 'train_cfg.val_interval=9')
    raw = weights(run.work_dir / 'last_rank0.pth')
    averaged = weights(run.work_dir / 'epoch_4.pth')  # where mmengine swaps the two
    assert 'backbone.conv1.weight' in differing(raw, averaged)
    exported = weights(run.work_dir / EXPORTED)
    assert differing(exported, {k: v for k, v in averaged.items() if is_stock(k)}) == []
    if stage == 'autoencode':
        handed = with_prefix(load_tensors(run.work_dir / ENCODING)[0], 'encoder.')
        assert differing(handed, with_prefix(averaged, 'labelenc.encoder.')) == []
        assert differing(handed, with_prefix(raw, 'labelenc.encoder.')) != []
    else:
        frozen = with_prefix(load_tensors(path)[0], 'encoder.')
        for state in (raw, averaged):
            assert differing(frozen, with_prefix(state, 'labelenc.encoder.')) == []


def test_accumulation_multi_scale_and_learning_rates_by_name(tmp_path):
    config = write_config(
        tmp_path / 'c.py',
        shared_data(),
        STEP1,
        ACCUMULATION,
        HOOKS,
        hooks="dict(type='KeepWeightsHook')",
    )
    run = train(config, tmp_path / 'run')
    # Iterations are those of the loop, two to an update: 8 in all, the distance after a quarter.
    assert active_per_epoch(run) == [2, 4]
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    moved = differing(first, last)
    assert not [key for key in moved if key.startswith('labelenc.encoder.')]
    assert [key for key in moved if key.startswith('labelenc.pyramid.')]
    assert (run.work_dir / EXPORTED).exists()


MOSAIC = """
model = dict(
    data_preprocessor=dict(
        batch_augments=[
            dict(
                type='BatchSyncRandomResize', random_size_range=(64, 160), size_divisor=32,
                interval=1,
            )
        ],
    )
)
train_cfg = dict(val_interval=9)
scale = (96, 96)
train_pipeline = [
    dict(type='Mosaic', img_scale=scale, pad_val=114.0),
    dict(type='RandomAffine', scaling_ratio_range=(0.5, 1.5), border=(-48, -48)),
    dict(type='MixUp', img_scale=scale, ratio_range=(0.8, 1.6), pad_val=114.0),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0))),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False),
    dict(type='PackDetInputs'),
]
_source = _base_.train_dataloader.dataset
_source.pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='MultiImageMixDataset', dataset=_source, pipeline=train_pipeline
    )
)
"""


def test_mosaic_mixup_and_batch_resize(step1, tmp_path):
    """Step 2: the object maps have the size and the boxes of what the network really sees."""
    path = step1.work_dir / ENCODING
    config = write_config(tmp_path / 'c.py', shared_data(), STEP2, MOSAIC, step1=path)
    run = train(config, tmp_path / 'run')
    assert active_per_epoch(run) == [2, 2, 2, 0]
    assert (
        differing(
            with_prefix(weights(run.work_dir / EXPORTED), 'backbone.'),
            with_prefix(weights(run.work_dir / 'epoch_4.pth'), 'backbone.'),
        )
        == []
    )


def test_weight_of_the_distance_from_the_command_line(step1, tmp_path):
    options = ('model.labelenc.loss_weight=0.25', 'train_cfg.val_interval=9')
    run = train(shared_folder() / 'step1.py', tmp_path / 'run', *options)
    pairs = [[entry for entry in each.scalars() if 'loss' in entry][2] for each in (run, step1)]
    # The first iteration with the distance: nothing has been different before.
    assert pairs[0]['loss_labelenc'] == pytest.approx(0.25 * pairs[1]['loss_labelenc'], rel=1e-6)
    assert pairs[0]['loss_cls'] == pairs[1]['loss_cls']


BEST = """
default_hooks = dict(checkpoint=dict(save_best='coco/bbox_mAP'))
"""


@pytest.mark.parametrize('stage', ['autoencode', 'supervise'])
def test_the_best_checkpoint_is_exported_by_the_command_that_the_log_tells(stage, step1, tmp_path):
    part = STEP1 if stage == 'autoencode' else STEP2
    path = step1.work_dir / ENCODING
    config = write_config(tmp_path / 'best.py', shared_data(), part, BEST, step1=path)
    run = train(config, tmp_path / 'run', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=1')
    lines = [line.split() for line in run.output.splitlines()]
    commands = [line[2:] for line in lines if line[:2] == ['python', 'tools/export.py']]
    assert [Path(out).name for _, _, out in commands] == (
        ['label_encoding_best.safetensors'] if stage == 'autoencode' else []
    ) + ['exported_detector_best.pth']
    for command in commands:
        run_script(ROOT / 'tools' / 'export.py', *command, work_dir=tmp_path)
    (best,) = run.work_dir.glob('best_coco_bbox_mAP_epoch_*.pth')
    expected = {k: v for k, v in weights(best).items() if is_stock(k)}
    assert differing(weights(Path(commands[-1][-1])), expected) == []
