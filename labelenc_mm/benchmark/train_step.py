"""One iteration of a training: the model's own ``train_step`` with the optimizer of its config."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor

from labelenc_mm.benchmark.task import Task
from labelenc_mm.benchmark.workload import Workload

AMP_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class TrainStep:
    """A model that is ready to train on one batch.

    Args:
        model: Any model of mmengine, on its device and in training mode.
        optim_wrapper: With the optimizer of its parameters.
        batch: As a data loader gives it.
        progress: What the MessageHub tells meanwhile: ``iter``, ``epoch``, ``max_iters``, ``max_epochs``.
    """

    def __init__(
        self,
        model: Any,
        optim_wrapper: OptimWrapper,
        batch: dict[str, list],
        progress: Mapping[str, int] | None = None,
    ) -> None:
        self.model = model
        self.optim_wrapper = optim_wrapper
        self.batch = batch
        self.progress = dict(progress or {})
        self.device: torch.device = next(model.parameters()).device

    def take_weights(self, other: 'TrainStep') -> None:
        """Start from another model's weights, where both have the same: the same proposals as there."""
        theirs, ours = other.model.state_dict(), self.model.state_dict()
        shared = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
        self.model.load_state_dict(shared, strict=False)

    def as_in_training(self) -> AbstractContextManager[None]:
        """Let the MessageHub say what a training says in this iteration."""
        return _progress(self.progress)

    def fresh_batch(self) -> dict[str, list]:
        """A copy of the batch: preprocessor and heads change samples in place."""
        return copy.deepcopy(self.batch)

    def __call__(self, batch: dict[str, list]) -> dict[str, Tensor]:
        """Preprocessing, forward, backward and optimizer step; the losses."""
        with self.as_in_training():
            return self.model.train_step(batch, self.optim_wrapper)

    def persistent_bytes(self) -> int:
        """Size of what lives between iterations: weights, buffers, state of the optimizer."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        for state in self.optim_wrapper.optimizer.state.values():
            tensors += [value for value in state.values() if isinstance(value, Tensor)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def build_train_step(
    task: Task,
    config: Config,
    workload: Workload,
    device: str = 'cpu',
    amp: str | None = None,
    channels_last: bool = False,
) -> TrainStep:
    """The training of a config, from random weights, on one batch.

    Args:
        task: The config's.
        config: Of the model, stock or with supervision of ours. The distance of a label-encoded
            detector is active if it has one; what takes over learned weights has random ones.
        workload: What the batch holds.
        device: 'cpu' or 'cuda'.
        amp: None, 'fp16' or 'bf16' (on the CPU bf16 alone).
        channels_last: Whether weights, and with them the maps, are in this memory format.
    """
    torch.manual_seed(workload.seed)
    model = task.build(config, workload).to(device).train()
    if channels_last:
        model.to(memory_format=torch.channels_last)
    progress = _find_active_iteration(config, lambda: task.count_active(model))
    optim_wrapper = _build_optim_wrapper(config, model, torch.device(device), amp)
    return TrainStep(model, optim_wrapper, task.make_batch(workload, model), progress)


class CPUAutocastOptimWrapper(OptimWrapper):
    """Autocast to bfloat16 on a CPU, for which mmengine's AmpOptimWrapper is not made."""

    @contextmanager
    def optim_context(self, model: Any) -> Iterator[None]:
        """The forward pass under autocast."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def _build_optim_wrapper(
    config: Config, model: Any, device: torch.device, amp: str | None
) -> OptimWrapper:
    options = copy.deepcopy(config.optim_wrapper.to_dict())
    for key in ('dtype', 'loss_scale', 'use_fsdp'):
        options.pop(key, None)
    options['type'] = 'OptimWrapper'
    if amp is not None and device.type == 'cuda':
        dtype = str(AMP_DTYPES[amp]).removeprefix('torch.')
        # Without a scale no step is skipped, as the first ones are while a large scale comes down.
        options.update(type='AmpOptimWrapper', dtype=dtype, loss_scale=1.0)
    elif amp == 'bf16':
        options['type'] = CPUAutocastOptimWrapper
    elif amp is not None:
        raise ValueError(f'{amp} needs a GPU; on a CPU there is bf16')
    # The first value of the usual warm-up, so that random weights do not diverge.
    options['optimizer']['lr'] = options['optimizer'].get('lr', 1.0) * 1e-3
    return build_optim_wrapper(model, ConfigDict(options))


def _find_active_iteration(config: Config, count_active: Callable[[], int]) -> dict[str, int]:
    """What the MessageHub says where most losses count, in the middle of the training if they do there."""
    train_cfg = config.get('train_cfg') or {}
    epochs, per_epoch = int(train_cfg.get('max_epochs') or 1), 1000
    iterations = int(train_cfg.get('max_iters') or epochs * per_epoch)
    most, found = 0, {}
    for share in [index / 20 for index in (10, *range(20))]:
        now = int(share * iterations)
        epoch = now * epochs // iterations
        progress = dict(iter=now, epoch=epoch, max_iters=iterations, max_epochs=epochs)
        with _progress(progress):
            active = count_active()
        if active > most:
            most, found = active, progress
    if found:
        return found
    options = config.model.labelenc
    limits = [f'{key}={options.get(key)}' for key in ('distance_begin', 'distance_end')]
    raise ValueError(
        f'{config.filename or "the config"}: the distance is active at none of 20 points of the '
        f'training. Widen its window: now model.labelenc.{" and ".join(limits)}'
    )


@contextmanager
def _progress(progress: dict[str, int]) -> Iterator[None]:
    """Let the MessageHub say so, as a Runner would; afterwards what it said before."""
    hub = MessageHub.get_current_instance()
    before = {key: hub.get_info(key) for key in progress}
    hub.update_info_dict(progress)
    try:
        yield
    finally:
        hub.update_info_dict(before)
