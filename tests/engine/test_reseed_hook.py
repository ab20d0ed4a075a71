"""A run that was interrupted at an epoch boundary and resumed ends bit-equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from labelenc_mm.engine.reseed_hook import WorkerReseeder

ROOT = Path(__file__).parents[2]
TOY = ROOT / 'tests' / 'helpers' / 'toy.py'


def run(jobs, tmp_path):
    jobs_file = tmp_path / 'jobs.json'
    jobs_file.write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, str(TOY), str(jobs_file)],
        # A process that has looked for GPUs, as mmengine does, cannot use one after a fork.
        env={
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def state_of(work_dir, epoch):
    # the test's own file
    checkpoint = torch.load(work_dir / f'epoch_{epoch}.pth', weights_only=False)
    return checkpoint['state_dict'], checkpoint['optimizer']['state']


def same(left, right):
    (weights, momenta), (other_weights, other_momenta) = left, right
    assert weights.keys() == other_weights.keys()
    return all(torch.equal(weights[k], other_weights[k]) for k in weights) and all(
        torch.equal(momenta[k]['momentum_buffer'], other_momenta[k]['momentum_buffer'])
        for k in momenta
    )


CASES = {
    'no workers': {'workers': 0},
    'workers': {'workers': 2},
    'persistent': {'workers': 2, 'persistent': True},
    # what a process draws at its start must not reach the resumed run
    'no seed': {'workers': 2, 'persistent': True, 'seed': None},
    'control': {'workers': 2, 'persistent': True, 'reseed': False},
    'control, no workers': {'workers': 0, 'reseed': False},
}


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Every case trained in one go, and resumed from what an interruption would have left."""
    root = tmp_path_factory.mktemp('runs')
    jobs = []
    for name, options in CASES.items():
        whole, resumed = root / name / 'whole', root / name / 'resumed'
        checkpoint = str(whole / 'epoch_1.pth')
        jobs.append({'work_dir': str(whole), **options})
        jobs.append({'work_dir': str(resumed), 'resume_from': checkpoint, **options})
    run(jobs, root)
    return root


@pytest.mark.parametrize('name', CASES)
def test_resumed_run_ends_bit_equal(runs, name):
    whole, resumed = (state_of(runs / name / run, 3) for run in ('whole', 'resumed'))
    # The controls show that the comparison sees a difference when there is one.
    assert same(whole, resumed) == (not name.startswith('control'))


def test_spawned_workers_are_reseeded_as_forked_ones(tmp_path):
    options = {'workers': 2, 'persistent': True, 'epochs': 2}
    methods = ('fork', 'spawn')
    run([{'work_dir': str(tmp_path / m), 'start_method': m, **options} for m in methods], tmp_path)
    assert same(*(state_of(tmp_path / method, 2) for method in methods))


class Draws(Dataset):
    """One draw a sample."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return torch.rand(())


def draw_epochs(epochs, persistent, seed=3):
    """Return one (5,) tensor for each of the epochs, drawn by two workers."""
    reseeder = WorkerReseeder(seed, init_fn=None)
    options = {'num_workers': 2, 'persistent_workers': persistent, 'worker_init_fn': reseeder}
    loader = DataLoader(Draws(), batch_size=1, **options)
    drawn = []
    for epoch in epochs:
        reseeder.epoch.value = epoch
        drawn.append(torch.cat(list(loader)))
    return drawn


def test_workers_draw_by_seed_and_epoch_alone():
    first, second, third = draw_epochs([0, 1, 2], persistent=True)
    # no repetition between epochs or workers
    assert torch.cat([first, second, third]).unique().numel() == 15
    # neither the age of the workers nor the epochs before matter
    assert torch.equal(
        torch.stack(draw_epochs([1, 2], persistent=False)), torch.stack([second, third])
    )
    assert torch.equal(draw_epochs([2], persistent=True)[0], third)
    assert not torch.equal(draw_epochs([2], persistent=True, seed=4)[0], third)


def test_workers_leave_the_dataset_of_the_main_process_alone():
    dataset = Draws()
    loader = DataLoader(dataset, num_workers=1, worker_init_fn=WorkerReseeder(3, None))
    list(loader)
    assert type(dataset) is Draws
