"""A tiny training in plain mmengine, with randomness wherever a real one has it.

Imported by configs (``custom_imports``) and run as a script by the tests:
``python toy.py JOBS.json`` runs each job, a dict of :func:`train`'s arguments, in a process of its
own, for mmengine's MessageHub and the generators belong to the process.
"""

import importlib
import json
import multiprocessing
import os
import random
import signal
import sys

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from mmengine.runner import Runner
from torch import nn

import labelenc_mm  # noqa: F401

WIDTH = 6


@TRANSFORMS.register_module()
class ToyAugment:
    """Draws from all three generators, as pipelines of the toolboxes do."""

    def __init__(self, strength=1.0):
        self.strength = strength

    def __call__(self, results):
        legacy = float(np.random.randn())  # noqa: NPY002
        noise = torch.randn(WIDTH) + legacy + random.random()
        noise *= self.strength
        return {'inputs': results['x'] + noise, 'targets': results['y']}


@DATASETS.register_module()
class ToyDataset(BaseDataset):
    """``length`` points on a plane; BaseDataset wants no annotation file for an empty one."""

    def __init__(self, length=10, **kwargs):
        self.length = length
        super().__init__(**kwargs)

    def load_data_list(self):
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(self.length, WIDTH, generator=generator)
        return [{'x': x[i], 'y': x[i].sum(), 'img_path': f'{i}.png'} for i in range(self.length)]


@HOOKS.register_module()
class ToyKillHook(Hook):
    """Kills the process, without any cleaning up, before an iteration (counted from 0)."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


@MODELS.register_module()
class ToyModel(BaseModel):
    """A network with dropout (the model's own randomness) and, on request, SyncBN."""

    def __init__(self, sync_bn=False, dropout=0.5):
        super().__init__()
        norm = nn.SyncBatchNorm(8) if sync_bn else nn.Identity()
        self.net = nn.Sequential(
            nn.Linear(WIDTH, 8), norm, nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1)
        )

    def forward(self, inputs, targets=None, mode='tensor'):
        prediction = self.net(torch.stack(list(inputs)))[:, 0]
        if mode == 'loss':
            return {'loss': (prediction - torch.stack(list(targets))).square().mean()}
        return prediction


def config(work_dir, epochs=3, workers=0, persistent=False, reseed=True, seed=5, **options):
    dataloader = {
        # 10 points in batches of 2 and 2 workers: an odd number of batches
        'batch_size': 2,
        'num_workers': workers,
        'persistent_workers': persistent,
        'sampler': {'type': 'DefaultSampler', 'shuffle': True},
        'dataset': {'type': 'ToyDataset', 'pipeline': [{'type': 'ToyAugment'}]},
    }
    return {
        'model': {'type': 'ToyModel'},
        'work_dir': str(work_dir),
        'train_dataloader': dataloader,
        'train_cfg': {'by_epoch': True, 'max_epochs': epochs},
        'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.01, 'momentum': 0.9}},
        'default_hooks': {
            'checkpoint': {'type': 'CheckpointHook', 'interval': 1},
            **({'reseed': {'type': 'ReseedHook'}} if reseed else {}),
        },
        'randomness': {'seed': seed},
        'default_scope': 'mmengine',
        'log_level': 'ERROR',
        **options,
    }


def train(resume_from=None, start_method='fork', **kwargs):
    cfg = config(**kwargs)
    cfg['env_cfg'] = {'mp_cfg': {'mp_start_method': start_method}}
    if resume_from is not None:
        cfg.update(resume=True, load_from=resume_from)
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    with open(sys.argv[1]) as jobs_file:
        jobs = json.load(jobs_file)
    # Nothing has run in this process, so forking is safe, and saves importing torch for every job.
    # The optimizer and the visualizer would import these two, the slowest, when they are built.
    for module in ('torch._dynamo', 'matplotlib.pyplot'):
        importlib.import_module(module)
    context = multiprocessing.get_context('fork')
    for job in jobs:
        process = context.Process(target=train, kwargs=job)
        process.start()
        process.join()
        if process.exitcode != 0:
            sys.exit(f'failed: {job}')
