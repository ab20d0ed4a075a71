"""Randomness as a function of (seed, rank, worker, epoch), so that a resumed run repeats.

A checkpoint holds no state of random generators. mmengine seeds them once per process, so a run
that is interrupted and resumed sees other augmentations and another dropout than one that is not.
Here every generator is seeded anew when an epoch starts: on CPU a run that was interrupted at an
epoch boundary ends bit-equal to an uninterrupted one.
"""

import random
from collections.abc import Callable, Sequence
from multiprocessing.sharedctypes import RawValue
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from torch.utils.data import get_worker_info

from labelenc_mm.engine.late_workers import start_workers_late

# Tells the streams of one epoch apart; workers use _WORKER + worker id.
_EPOCH, _ITERATION, _WORKER = 0, 1, 2


def seed_generators(*entropy: int) -> None:
    """Seed the global generators of python, numpy and torch (all devices).

    Args:
        *entropy (int): Non-negative numbers. They are mixed, so that neighbours give unrelated
            streams; adding them up would give rank 1 of seed 0 the stream of rank 0 of seed 1.
    """
    words = [int(w) for w in np.random.SeedSequence(entropy).generate_state(3, np.uint64)]
    random.seed(words[0])
    # Transforms of the toolboxes draw from the legacy global generator, so that one is seeded.
    np.random.seed(words[1] % 2**32)  # noqa: NPY002
    torch.manual_seed(words[2])


class WorkerReseeder:
    """A ``worker_init_fn`` after which the worker reseeds itself whenever an epoch starts.

    Persistent workers live through all epochs and are told of a new one by nothing but their first
    index. So the worker's own copy of the dataset gets a class that compares the epoch, read from
    shared memory, before it gives out a sample. The dataset of the main process stays as it is,
    and workers that are started later, e.g. when a hook switches the pipeline, get it as well.

    Args:
        seed (int): Seed of the run.
        init_fn (Callable, optional): The ``worker_init_fn`` that was there, called first.
    """

    def __init__(self, seed: int, init_fn: Callable[[int], None] | None) -> None:
        self.seed = seed
        self.rank = get_rank()
        self.init_fn = init_fn
        # Without a lock: it is written only while no worker has anything to do. Unlike a
        # `multiprocessing.Value` it can be handed to forked and to spawned workers alike.
        self.epoch = RawValue('q', 0)

    def __call__(self, worker: int) -> None:
        """Run in a worker process, before it loads anything."""
        if self.init_fn is not None:
            self.init_fn(worker)
        info = get_worker_info()
        assert info is not None
        seeded: int | None = None

        def reseed() -> None:
            nonlocal seeded
            if seeded != self.epoch.value:
                seeded = self.epoch.value
                seed_generators(self.seed, self.rank, seeded, _WORKER + worker)

        reseed()
        cls = type(info.dataset)
        ways_in = ('__getitem__', '__getitems__', '__iter__')
        methods = {
            name: _preceded(reseed, getattr(cls, name)) for name in ways_in if hasattr(cls, name)
        }
        try:
            info.dataset.__class__ = type(cls.__name__, (cls,), methods)
        except TypeError:  # built-in types such as list
            print_log(
                f'ReseedHook cannot follow the epochs in a dataset of type {cls.__name__}: with '
                'persistent workers its randomness differs after a resume.',
                logger='current',
            )


def _preceded(first: Callable[[], None], method: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        first()
        return method(*args, **kwargs)

    return call


@HOOKS.register_module()
class ReseedHook(Hook):
    """Reseed every generator of the training at the start of each epoch.

    - The main process by (seed, rank, epoch), and once more before the first iteration: creating
      the iterator of a dataloader draws from torch's generator, which with persistent workers
      happens in the first epoch of a process only.
    - Each dataloader worker by (seed, rank, epoch, worker). Without this, workers that are not
      persistent repeat the same augmentations in every epoch.
    - Where the config gives no seed, the sampler was built with that of this process; it gets the
      one of the resumed run.

    ``DefaultSampler`` and the other samplers of mmengine and mmdet shuffle by their own seed and
    epoch and need nothing more. Not covered: a transform with a private generator, a sampler that
    draws from the global one, a resume from the middle of an epoch, and nondeterministic GPU
    kernels. In iteration-based training the epoch stays 0; there the generators are seeded once,
    at the start and after a resume (then by the iteration, so that nothing is repeated), and
    bit-equality is not promised: what the workers had loaded ahead is lost.
    """

    # First of all: what other hooks draw in an epoch is then a function of the epoch as well.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._first_seed: int | None = None
        self._workers: WorkerReseeder | None = None
        self._epoch_begins = False

    def before_run(self, runner: Any) -> None:
        """Remember what the sampler was seeded with: it is built by now, nothing is resumed yet."""
        self._first_seed = runner.seed
        start_workers_late(runner)

    def before_train(self, runner: Any) -> None:
        """Prepare sampler and workers; a resume has restored the seed by now."""
        dataloader = runner.train_dataloader
        sampler = dataloader.batch_sampler
        while sampler is not None:  # a batch sampler wraps a sampler
            if getattr(sampler, 'seed', None) == self._first_seed:
                sampler.seed = runner.seed
            sampler = getattr(sampler, 'sampler', None)
        if dataloader.num_workers > 0:
            self._workers = WorkerReseeder(runner.seed, dataloader.worker_init_fn)
            dataloader.worker_init_fn = self._workers

    def before_train_epoch(self, runner: Any) -> None:
        """Seed the main process and announce the epoch to the workers."""
        # The iteration at which it begins stands for the epoch, for it serves both kinds of loop.
        if self._workers is not None:
            self._workers.epoch.value = runner.iter
        seed_generators(runner.seed, get_rank(), runner.iter, _EPOCH)
        self._epoch_begins = True

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Sequence[dict] | dict | None = None
    ) -> None:
        """Seed the main process again, after the iterator over the data was created."""
        if self._epoch_begins:
            seed_generators(runner.seed, get_rank(), runner.iter, _ITERATION)
            self._epoch_begins = False
