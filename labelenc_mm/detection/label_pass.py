"""A pass of label features through a detector's head: its images, samples, statistics and losses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from labelenc_mm.detection.introspection import head_children
from labelenc_mm.networks.modes import evaluation_mode

LABEL_PREFIX = 'ae_'
"""Prefix of the losses of head(label features); without 'loss', which would sum accuracies up."""


def label_side(losses: Mapping[str, Any], weight: float) -> dict[str, Any]:
    """The losses of head(label features) under their names, weighted."""
    weighted = {}
    for key, value in losses.items():
        if weight != 1 and 'loss' in key:  # what else is there is for the log
            value = [v * weight for v in value] if isinstance(value, list) else value * weight
        weighted[LABEL_PREFIX + key] = value
    return weighted


def pick(batch: Tensor, indices: Sequence[int]) -> Tensor:
    """Some images of a batch; all in their order are the batch itself."""
    return batch if list(indices) == list(range(len(batch))) else batch[list(indices)]


def join(first: Sequence[Tensor], second: Sequence[Tensor]) -> Sequence[Tensor]:
    """Levels of two groups of images, of which one may be empty, as those of one batch."""
    if not first or not second:
        return first or second
    return [torch.cat(levels) for levels in zip(first, second, strict=True)]


def copy_samples(data_samples: Sequence[DetDataSample]) -> list[DetDataSample]:
    """Shallow copies down to the fields of the instances, which heads may replace in place."""
    copies = []
    for sample in data_samples:
        copied = sample.new()
        for key in sample.keys():  # noqa: SIM118  (a sample is no mapping)
            value = sample.get(key)
            if isinstance(value, BaseDataElement):
                setattr(copied, key, value.new())
        copies.append(copied)
    return copies


@contextmanager
def resting_head(detector: nn.Module) -> Iterator[None]:
    """Keep the detector out of the graph: a loss trains what the features come from, not what they pass."""
    learning = [
        parameter
        for name, parameter in detector.named_parameters()
        if parameter.requires_grad and not name.startswith('labelenc.')
    ]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


@contextmanager
def kept_head_statistics(detector: nn.Module) -> Iterator[None]:
    """Keep what the head has gathered of images: no buffer of it changes.

    Normalisation with running statistics is in evaluation mode, so that label features pass the very
    function that the head is at test time. Other buffers, such as the counts of losses that weight
    classes by their frequency, are lent as copies.
    """
    modules = [m for child in head_children(detector).values() for m in child.modules()]
    norms = [m for m in modules if _has_running_statistics(m)]
    lent = [(m, dict(m._buffers)) for m in modules if not _has_running_statistics(m)]
    for module, buffers in lent:
        for name, buffer in buffers.items():
            module._buffers[name] = None if buffer is None else buffer.clone()
    try:
        with evaluation_mode(*norms):
            yield
    finally:
        for module, buffers in lent:
            module._buffers.update(buffers)


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(getattr(module, 'running_mean', None), Tensor)
