"""A check, before a training starts, that what the data mark as void is void for every part of the model.

The label of void pixels stands in many places of a config: in each head, in the metric, in what pads
batches and images, and 255 is its default in all of them. One that is forgotten shows late, as a label
that no file has, or never, as a metric that counts void pixels.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.logging import print_log
from torch import nn

from labelenc_mm.labels import VOID


def check_void_labels(
    model: nn.Module, datasets: Sequence[Any] = (), metrics: Sequence[Any] = ()
) -> None:
    """Compare the labels with which the data are filled, heads and metrics with the model's void label.

    Args:
        model: A segmentor or label autoencoder, which has classes and a label of void pixels.
        datasets: What it is trained and validated on.
        metrics: What it is validated by. One that counts void pixels is only told: mIoU is then too low,
            the training as it should be.

    Raises:
        ValueError: Some pixels would get a label that is neither a class nor void; lists the keys.
    """
    where, num_classes, void = _void_of(model)
    if void is None:
        return
    fills = [*_fills_of_model(model), *_fills_of_data(datasets)]
    wrong = [
        f'{key} is {value}: set it to {void}'
        for key, value in dict.fromkeys(fills)
        if value != void and not 0 <= value < num_classes
    ]
    wrong += [f'{key}: set {where}={VOID}' for key in _fixed_voids(datasets) if void != VOID]
    wrong += [
        f'model.{name}.ignore_index is {head.ignore_index}: set it to {void}'
        for name, head in _heads(model)
        if head.ignore_index != void and not 0 <= void < head.num_classes
    ]
    if wrong:
        raise ValueError(
            f'void pixels have label {void} ({where}), which other parts of the config do not know:\n  '
            + '\n  '.join(wrong)
        )
    counting = [
        f'{type(metric).__name__}.ignore_index is {metric.ignore_index}'
        for metric in metrics
        if getattr(metric, 'ignore_index', void) != void
    ]
    counting += [
        f'{type(transform).__name__}.ignore_index is {transform.ignore_index}'
        for transform in _transforms(datasets)
        if getattr(transform, 'cat_max_ratio', 1) < 1 and transform.ignore_index != void
    ]
    for part in dict.fromkeys(counting):
        print_log(
            f'{part}, but void pixels have label {void} ({where}): it counts them. Set it to {void}',
            'current',
            logging.WARNING,
        )


def _void_of(model: Any) -> tuple[str, int, int | None]:
    """The key that says which label is void, the number of classes, and that label."""
    if hasattr(model, 'ignore_index'):
        return 'model.ignore_index', model.num_classes, model.ignore_index
    head, key = getattr(model, 'decode_head', None), 'model.decode_head.ignore_index'
    if isinstance(head, nn.ModuleList):  # a cascade
        head = head[-1]
    return key, getattr(head, 'num_classes', 0), getattr(head, 'ignore_index', None)


def _heads(model: nn.Module) -> list[tuple[str, Any]]:
    """All other parts of the model that compare labels."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if name
        and isinstance(getattr(module, 'ignore_index', None), int)
        and isinstance(getattr(module, 'num_classes', None), int)
    ]


def _fills_of_model(model: Any) -> Iterator[tuple[str, int]]:
    value = getattr(model.data_preprocessor, 'seg_pad_val', None)
    if value is not None:
        yield 'data_preprocessor.seg_pad_val', value


def _fills_of_data(datasets: Sequence[Any]) -> Iterator[tuple[str, int]]:
    """Labels with which transforms fill what lies outside of an image, or what they cut out."""
    for transform in _transforms(datasets):
        name = type(transform).__name__
        for key in ('seg_pad_val', 'seg_fill_in'):
            value = getattr(transform, key, None)
            if value is not None:
                yield f'{key} of the transform {name}', value
        padding = getattr(transform, 'pad_val', None)
        if isinstance(padding, dict):  # of mmcv's Pad
            yield f"pad_val['seg'] of the transform {name}", padding.get('seg', VOID)


def _fixed_voids(datasets: Sequence[Any]) -> list[str]:
    """What makes void pixels of a label that the toolbox does not let one choose."""
    found = []
    for dataset in datasets:
        if getattr(dataset, 'reduce_zero_label', False):
            found.append(f'reduce_zero_label turns label 0 into {VOID}')
        if VOID in (getattr(dataset, 'label_map', None) or {}).values():
            found.append(f'classes that metainfo.classes leaves out become {VOID}')
    return list(dict.fromkeys(found))


def _transforms(datasets: Sequence[Any]) -> list[Any]:
    """Those of all pipelines, in wrappers such as RandomApply, too."""
    return [t for dataset in datasets for t in _flatten(getattr(dataset, 'pipeline', None) or [])]


def _flatten(part: Any) -> Iterator[Any]:
    # A data set that mixes samples has a plain list in place of a Compose.
    inner = part if isinstance(part, list | tuple) else getattr(part, 'transforms', None)
    if inner is None:
        yield part
    for each in inner or ():
        yield from _flatten(each)
