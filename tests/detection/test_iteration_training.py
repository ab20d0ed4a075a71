"""Trainings that count iterations, as mmengine's IterBasedTrainLoop does: one epoch without an end."""

import pytest
from training_configs import ITERATIONS, MAX_ITERS, STEP1, STEP2, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    differing,
    is_stock,
    shared_data,
    shared_step1,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.handover.artefact import load_tensors

BY_ITERATION = 'model = dict(labelenc=dict(distance_by_epoch=False))'


@pytest.mark.parametrize('stage', ['autoencode', 'supervise'])
def test_training_by_iterations(stage, tmp_path):
    part = STEP1 if stage == 'autoencode' else STEP2
    step1 = shared_step1().work_dir / ENCODING
    config = write_config(
        tmp_path / 'c.py', shared_data(), part, ITERATIONS, BY_ITERATION, step1=step1
    )
    run = train(config, tmp_path / 'run')
    active = run.told_distances()
    counts = [sum(active[:iteration]) for iteration in (3, 6, 9)]
    # Step 1 begins after a quarter of 9, rounded; step 2 ends an iteration before the last.
    assert counts == ([1, 4, 7] if stage == 'autoencode' else [3, 6, 8])
    state = weights(run.work_dir / f'iter_{MAX_ITERS}.pth')
    exported = weights(run.work_dir / EXPORTED)
    assert differing(exported, {k: v for k, v in state.items() if is_stock(k)}) == []
    metrics = run.metrics()
    assert metrics['coco/bbox_AR@300'] > 0
    if stage == 'autoencode':
        assert metrics['coco/reconstruction_bbox_AR@300'] > 0
        learned = with_prefix(load_tensors(run.work_dir / ENCODING)[0], 'encoder.')
        assert differing(learned, with_prefix(state, 'labelenc.encoder.')) == []
    else:
        frozen = with_prefix(load_tensors(step1)[0], 'encoder.')
        assert differing(frozen, with_prefix(state, 'labelenc.encoder.')) == []


def test_limits_in_epochs_are_refused_with_the_remedy(tmp_path):
    """By default step 2 drops the distance for the last epoch, which is the whole training here."""
    step1 = shared_step1().work_dir / ENCODING
    config = write_config(tmp_path / 'c.py', shared_data(), STEP2, ITERATIONS, step1=step1)
    run = train(config, tmp_path / 'run', expect=1)
    assert 'labelenc.distance_by_epoch to False' in run.output
