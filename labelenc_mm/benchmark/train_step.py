"""One iteration of a training: the detector's own ``train_step`` with the optimizer of its config."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor

from labelenc_mm.benchmark.workload import Workload, make_batch
from labelenc_mm.detection.introspection import count_classes, predicts_masks

AMP_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class TrainStep:
    """A detector of a config, from random weights, with its optimizer, ready to train on one batch.

    Args:
        config: Of the detector, stock or label-encoded. The distance of a label-encoded one is
            active, the encoder of step 2 has random weights.
        workload: What the batch holds.
        device: 'cpu' or 'cuda'.
        amp: None, 'fp16' or 'bf16' (on the CPU bf16 alone).
    """

    def __init__(
        self, config: Config, workload: Workload, device: str = 'cpu', amp: str | None = None
    ) -> None:
        self.device = torch.device(device)
        torch.manual_seed(workload.seed)
        model = _without_downloads(copy.deepcopy(config.model.to_dict()))
        if 'labelenc' in model:
            model['labelenc']['init_from'] = None
        detector = MODELS.build(model)
        detector.init_weights()
        # As the Runner does outside a distributed run.
        self.detector = revert_sync_batchnorm(detector).to(self.device).train()
        labelenc: Any = getattr(self.detector, 'labelenc', None)
        if hasattr(labelenc, 'encoder_is_loaded'):
            labelenc.encoder_is_loaded.fill_(1)
        self.progress = _find_active_iteration(config, labelenc)
        self.optim_wrapper = _build_optim_wrapper(config, self.detector, self.device, amp)
        self.size = workload.size
        self.batch = make_batch(workload, count_classes(detector), predicts_masks(detector))

    def fresh_batch(self) -> dict[str, list]:
        """A copy of the batch: preprocessor and heads change samples in place."""
        return copy.deepcopy(self.batch)

    def __call__(self, batch: dict[str, list]) -> dict[str, Tensor]:
        """Preprocessing, forward, backward and optimizer step; the losses."""
        with _progress(self.progress):
            return self.detector.train_step(batch, self.optim_wrapper)

    @property
    def draws_label_maps(self) -> bool:
        """Whether this is a label-encoded detector."""
        return hasattr(getattr(self.detector, 'labelenc', None), 'draw')

    def preprocessed_samples(self) -> list[DetDataSample]:
        """The batch's samples as the detector's ``loss`` gets them."""
        return self.detector.data_preprocessor(self.fresh_batch(), True)['data_samples']

    def draw(self, samples: list[DetDataSample]) -> list[tuple[Tensor, Tensor]]:
        """The label maps of a batch's samples, drawn as in a training."""
        labelenc = self.detector.labelenc
        augment = not labelenc.is_frozen
        return [labelenc.draw(sample, self.size, augment, self.device) for sample in samples]

    def encode(self, samples: list[DetDataSample]) -> tuple[Tensor, ...]:
        """The label features of a batch's samples, as in a training."""
        with self.optim_wrapper.optim_context(self.detector):
            return self.detector.labelenc.encode(samples, self.size)

    def persistent_bytes(self) -> int:
        """Size of what lives between iterations: weights, buffers, state of the optimizer."""
        tensors = [*self.detector.parameters(), *self.detector.buffers()]
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
    config: Config, detector: Any, device: torch.device, amp: str | None
) -> OptimWrapper:
    options = copy.deepcopy(config.optim_wrapper.to_dict())
    for key in ('dtype', 'loss_scale', 'use_fsdp'):
        options.pop(key, None)
    options['type'] = 'OptimWrapper'
    if amp is not None and device.type == 'cuda':
        options.update(type='AmpOptimWrapper', dtype=str(AMP_DTYPES[amp]).removeprefix('torch.'))
    elif amp == 'bf16':
        options['type'] = 'CPUAutocastOptimWrapper'
    elif amp is not None:
        raise ValueError(f'{amp} needs a GPU; on a CPU there is bf16')
    # The first value of the usual warm-up, so that random weights do not diverge.
    options['optimizer']['lr'] = options['optimizer'].get('lr', 1.0) * 1e-3
    return build_optim_wrapper(detector, ConfigDict(options))


def _without_downloads(config: Any) -> Any:
    """Nested options without pretrained weights."""
    if isinstance(config, dict):
        init = config.get('init_cfg')
        if isinstance(init, dict) and init.get('type') == 'Pretrained':
            config['init_cfg'] = None
        config.pop('pretrained', None)
        for value in config.values():
            _without_downloads(value)
    elif isinstance(config, list | tuple):
        for value in config:
            _without_downloads(value)
    return config


def _find_active_iteration(config: Config, labelenc: Any) -> dict[str, int]:
    """What the MessageHub says in the middle of the training, or where the distance is active."""
    train_cfg = config.get('train_cfg') or {}
    epochs, per_epoch = int(train_cfg.get('max_epochs') or 1), 1000
    iterations = int(train_cfg.get('max_iters') or epochs * per_epoch)
    for share in [index / 20 for index in (10, *range(20))]:
        now = int(share * iterations)
        epoch = now * epochs // iterations
        progress = dict(iter=now, epoch=epoch, max_iters=iterations, max_epochs=epochs)
        with _progress(progress):
            if labelenc is None or labelenc.is_distance_active():
                return progress
    raise ValueError('the distance is active at none of 20 points of the training of the config')


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
