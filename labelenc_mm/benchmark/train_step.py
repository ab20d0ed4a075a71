"""One iteration of a training: the model's own ``train_step`` with the optimizer of its config."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from labelenc_mm.benchmark.task import find_task
from labelenc_mm.benchmark.workload import Workload

AMP_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class TrainStep:
    """A detector or segmentor of a config, from random weights, ready to train on one batch.

    Args:
        config: Of the model, stock or with supervision of ours. The distance of a label-encoded
            detector is active if it has one; what takes over learned weights has random ones.
        workload: What the batch holds.
        device: 'cpu' or 'cuda'.
        amp: None, 'fp16' or 'bf16' (on the CPU bf16 alone).
    """

    def __init__(
        self, config: Config, workload: Workload, device: str = 'cpu', amp: str | None = None
    ) -> None:
        self.device = torch.device(device)
        task = find_task(config)
        torch.manual_seed(workload.seed)
        self.model = task.build(config, workload).to(self.device).train()
        self.labelenc = task.label_encoding(self.model)
        self.progress = _find_active_iteration(config, lambda: task.is_active(self.model))
        self.optim_wrapper = _build_optim_wrapper(config, self.model, self.device, amp)
        self.batch = task.make_batch(workload, self.model)

    def take_weights(self, other: 'TrainStep') -> None:
        """Start from another form's weights, where both have the same: the same proposals as there."""
        self.model.load_state_dict(other.model.state_dict(), strict=False)

    def fresh_batch(self) -> dict[str, list]:
        """A copy of the batch: preprocessor and heads change samples in place."""
        return copy.deepcopy(self.batch)

    def __call__(self, batch: dict[str, list]) -> dict[str, Tensor]:
        """Preprocessing, forward, backward and optimizer step; the losses."""
        with _progress(self.progress):
            return self.model.train_step(batch, self.optim_wrapper)

    @property
    def draws_label_maps(self) -> bool:
        """Whether this is a label-encoded detector whose training draws label maps."""
        return self.labelenc is not None

    def preprocessed(self) -> dict[str, Any]:
        """The batch as the model's ``loss`` gets it, images padded."""
        return self.model.data_preprocessor(self.fresh_batch(), True)

    def draw(self, data: dict[str, Any]) -> list[tuple[Tensor, Tensor]]:
        """The label maps of a preprocessed batch, drawn as in a training."""
        size, augment = data['inputs'].shape[-2:], not self.labelenc.is_frozen
        return [
            self.labelenc.draw(sample, size, augment, self.device)
            for sample in data['data_samples']
        ]

    def encode(self, data: dict[str, Any]) -> Sequence[Tensor]:
        """The label features of a preprocessed batch, as in a training."""
        with self.optim_wrapper.optim_context(self.model):
            return self.labelenc.targets(data['inputs'], data['data_samples'])

    def persistent_bytes(self) -> int:
        """Size of what lives between iterations: weights, buffers, state of the optimizer."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        for state in self.optim_wrapper.optimizer.state.values():
            tensors += [value for value in state.values() if isinstance(value, Tensor)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@OPTIM_WRAPPERS.register_module()
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
        options['type'] = 'CPUAutocastOptimWrapper'
    elif amp is not None:
        raise ValueError(f'{amp} needs a GPU; on a CPU there is bf16')
    # The first value of the usual warm-up, so that random weights do not diverge.
    options['optimizer']['lr'] = options['optimizer'].get('lr', 1.0) * 1e-3
    return build_optim_wrapper(model, ConfigDict(options))


def _find_active_iteration(config: Config, is_active: Callable[[], bool]) -> dict[str, int]:
    """What the MessageHub says in the middle of the training, or where the distance is active."""
    train_cfg = config.get('train_cfg') or {}
    epochs, per_epoch = int(train_cfg.get('max_epochs') or 1), 1000
    iterations = int(train_cfg.get('max_iters') or epochs * per_epoch)
    for share in [index / 20 for index in (10, *range(20))]:
        now = int(share * iterations)
        epoch = now * epochs // iterations
        progress = dict(iter=now, epoch=epoch, max_iters=iterations, max_epochs=epochs)
        with _progress(progress):
            if is_active():
                return progress
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
