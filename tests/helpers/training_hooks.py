"""Hooks that tests put into the config of a training, by ``custom_imports``."""

import os

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, LOOPS
from mmengine.runner import IterBasedTrainLoop

from labelenc_mm.handover.export import Exporter


@LOOPS.register_module()
class EagerIterBasedTrainLoop(IterBasedTrainLoop):
    """Starts its workers when it is built, as that of upstream mmengine does."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.dataloader_iterator._iterator = iter(self.dataloader)


@HOOKS.register_module()
class KeepWeightsHook(Hook):
    """Saves each rank's weights right before training and right after it."""

    priority = 'LOWEST'

    def before_train(self, runner):
        self._keep(runner, 'first')

    def after_train(self, runner):
        self._keep(runner, 'last')

    def _keep(self, runner, name):
        model = getattr(runner.model, 'module', runner.model)
        torch.save(model.state_dict(), f'{runner.work_dir}/{name}_rank{runner.rank}.pth')


@HOOKS.register_module()
class SpoilExportHook(Hook):
    """Lets the export at the end of a training fail as a full disk would."""

    def before_train(self, runner):
        def fail(*args, **kwargs):
            raise OSError(28, 'No space left on device')

        Exporter.__call__ = fail


@HOOKS.register_module()
class SpoilImagesHook(Hook):
    """From an iteration on, one rank's images are not finite."""

    def __init__(self, at, rank=0):
        self.at = at
        self.rank = rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter >= self.at and runner.rank == self.rank:
            data_batch['inputs'] = [
                image.float().fill_(float('nan')) for image in data_batch['inputs']
            ]


@HOOKS.register_module()
class VoidLabelsHook(Hook):
    """The label maps of one rank hold nothing but void."""

    def __init__(self, rank):
        self.rank = rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == self.rank:
            for sample in data_batch['data_samples']:
                for field in sample.values():
                    field.data.fill_(255)


@HOOKS.register_module()
class StopHook(Hook):
    """Ends the process after an epoch, or an iteration, once its checkpoint is written, as a kill would."""

    priority = 'LOWEST'

    def __init__(self, after_epoch=None, after_iteration=None):
        self.after_epoch = after_epoch
        self.after_iteration = after_iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.after_iteration:
            os._exit(9)

    def after_train_epoch(self, runner):
        if runner.epoch + 1 == self.after_epoch:
            os._exit(9)


@HOOKS.register_module()
class KeepNoiseHook(Hook):
    """Saves the noise that each rank of a denoising pretraining draws, and its first images."""

    def before_train(self, runner):
        self.kept = {'noise': []}
        model = getattr(runner.model, 'module', runner.model)
        model.corruption.register_forward_hook(self._keep)

    def _keep(self, corruption, args, corrupted):
        self.kept.setdefault('images', args[0].clone())
        if corruption.training:
            self.kept['noise'].append(corrupted.noise.clone())

    def after_train(self, runner):
        torch.save(self.kept, f'{runner.work_dir}/noise_rank{runner.rank}.pth')


@HOOKS.register_module()
class KeepPointsHook(Hook):
    """Saves the points that each rank of a colorization draws, its losses, and which photos were gray."""

    def before_train(self, runner):
        self.kept = {'cells': [], 'losses': [], 'gray': []}
        sampler = getattr(runner.model, 'module', runner.model).decode_head.point_sampler
        draw = sampler.draw

        def keep(*args):
            points = draw(*args)
            self.kept['cells'].append(points.cells)
            return points

        sampler.draw = keep

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.kept['losses'].append({key: float(value) for key, value in outputs.items()})
        self.kept['gray'] += [sample.metainfo['is_gray'] for sample in data_batch['data_samples']]

    def after_train(self, runner):
        torch.save(self.kept, f'{runner.work_dir}/points_rank{runner.rank}.pth')
