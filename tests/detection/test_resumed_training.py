"""A training that is interrupted at an epoch boundary and resumed ends bit-equal to one that is not."""

import shutil

import pytest
import torch
from mmengine.config import Config
from training_configs import (
    HOOKS,
    LABELS_FIRST,
    ONE_RUN,
    PHASES,
    STEP1,
    STEP2,
    WARM_UP,
    write_config,
)
from training_runs import (
    ENCODING,
    EXPORTED,
    differing,
    interrupt_and_resume,
    shared_data,
    shared_step1,
    shared_step2,
    train,
    weights,
)

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

WORKERS = """
train_dataloader = dict(num_workers=2, persistent_workers={persistent})
"""


def optimizer_state(run):
    path = run.work_dir / 'epoch_4.pth'
    state = torch.load(path, weights_only=False)['optimizer']['state']
    return {f'{i}.{key}': value for i, entry in state.items() for key, value in entry.items()}


def assert_bit_equal(left, right):
    for run in (left, right):
        assert run.statuses == [0]
    assert differing(*(weights(run.work_dir / 'epoch_4.pth') for run in (left, right))) == []
    assert differing(optimizer_state(left), optimizer_state(right)) == []
    assert differing(*(weights(run.work_dir / EXPORTED) for run in (left, right))) == []
    assert (left.work_dir / ENCODING).exists() == (right.work_dir / ENCODING).exists()
    if (left.work_dir / ENCODING).exists():
        assert differing(*(load_tensors(run.work_dir / ENCODING)[0] for run in (left, right))) == []


@pytest.mark.parametrize('epoch', [1, pytest.param(2, marks=pytest.mark.slow)])
def test_step_1_with_random_augmentation(tmp_path, epoch):
    """Interrupted right before the distance counts, and after."""
    assert_bit_equal(interrupt_and_resume(tmp_path, STEP1, epoch=epoch), shared_step1())


@pytest.mark.parametrize(
    ('phases', 'epoch'),
    [
        ('', 2),
        pytest.param(PHASES, 2, marks=pytest.mark.slow),
        (LABELS_FIRST + WARM_UP, 1),
        pytest.param(LABELS_FIRST + WARM_UP, 2, marks=pytest.mark.slow),
    ],
    ids=['', 'phases', 'right before the images begin', 'after'],
)
def test_one_run(tmp_path, phases, epoch):
    """The same images pass through the label branch as without the interruption, at the same rates."""
    parts = (ONE_RUN, *([phases] if phases else []))
    whole = train(write_config(tmp_path / 'w.py', shared_data(), *parts), tmp_path / 'whole')
    assert_bit_equal(interrupt_and_resume(tmp_path, *parts, epoch=epoch), whole)


def test_step_2_no_longer_needs_the_file_of_step_1(tmp_path):
    """What was frozen is in the checkpoint; interrupted before the epoch without the distance."""
    file = tmp_path / 'encoding.safetensors'
    shutil.copy(shared_step1().work_dir / ENCODING, file)
    resumed = interrupt_and_resume(tmp_path, STEP2, epoch=3, step1=file, lose=file)
    assert_bit_equal(resumed, shared_step2())
    # All the same, what it leaves says from which file it began.
    (left,) = resumed.work_dir.glob('*.py')
    content = load_checkpoint_file(resumed.work_dir / 'epoch_4.pth')
    for config in (Config.fromfile(left), Config.fromstring(content['meta']['cfg'], '.py')):
        assert config.model.labelenc.init_from == str(file)
        assert config.load_from is None and not config.resume


@pytest.mark.parametrize('persistent', [True, pytest.param(False, marks=pytest.mark.slow)])
def test_step_1_with_two_workers(tmp_path, persistent):
    parts = (STEP1, WORKERS)
    config = write_config(tmp_path / 'c.py', shared_data(), *parts, persistent=persistent)
    whole = train(config, tmp_path / 'whole', 'train_cfg.val_interval=9')
    resumed = interrupt_and_resume(
        tmp_path, *parts, epoch=2, persistent=persistent, options=('train_cfg.val_interval=9',)
    )
    assert_bit_equal(whole, resumed)
    # The augmentation is random: with other generators, in the workers, the end is another one.
    assert differing(*(weights(r.work_dir / EXPORTED) for r in (whole, shared_step1()))) != []


def test_a_loss_that_is_not_finite_stops_and_the_run_can_go_on(tmp_path):
    hooks = "dict(type='SpoilImagesHook', at=3)"
    spoiled = write_config(tmp_path / 'c.py', shared_data(), STEP1, HOOKS, hooks=hooks)
    stopped = train(spoiled, tmp_path / 'run', expect=1)
    assert (
        'FloatingPointError: iteration 3: not finite on at least one process: loss'
        in stopped.output
    )
    assert 'Training stops before the backward pass' in stopped.output
    assert not (tmp_path / 'run' / 'epoch_2.pth').exists()
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1)
    assert_bit_equal(train(config, tmp_path / 'run', resume=True), shared_step1())
