"""From a training with label structure to the stock segmentor: same keys, same predictions."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmseg.registry import HOOKS, LOOPS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.engine.built_models import build_model, builds_a, model_config
from labelenc_mm.handover.export import (
    ExportError,
    StockName,
    compare_models,
    config_without_ours,
    select_stock_tensors,
    stock_model,
    write_export,
)
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead

FILE_NAME = 'exported_segmentor.pth'
SUBTREE = 'label_structure.'
_AUXILIARY = 'auxiliary_head'

__all__ = ['FILE_NAME', 'ExportError', 'export_segmentor', 'stock_config', 'stock_state_dict']


def stock_state_dict(
    config: Config, state_dict: Mapping[str, Tensor]
) -> 'OrderedDict[str, Tensor]':
    """The stock segmentor's part of a state dict, under its own names, on the CPU.

    Args:
        config: Config of the training; tells which auxiliary heads are ours.
        state_dict: Weights of the trained segmentor.
    """
    return select_stock_tensors(state_dict, _stock_names(config))


def stock_config(config: Config) -> Config:
    """The config of the stock segmentor: ours without our heads, hooks, loops and imports."""
    model = stock_model(config, MODELS, 'label_structure')
    heads = model.get(_AUXILIARY)
    if isinstance(heads, dict) and _is_label_head(heads):
        del model[_AUXILIARY]
    elif isinstance(heads, list | tuple) and any(map(_is_label_head, heads)):
        stock_heads = [head for head in heads if not _is_label_head(head)]
        model[_AUXILIARY] = stock_heads
        # A head that is no list has no number, nor have its weights. A list of one has, but what was
        # a list before ours joined it cannot be told.
        if len(stock_heads) == 1:
            model[_AUXILIARY] = stock_heads[0]
        elif not stock_heads:
            del model[_AUXILIARY]
    return config_without_ours(config, model, MODELS, HOOKS, LOOPS)


def export_segmentor(
    config: Config,
    state_dict: Mapping[str, Tensor],
    out: str,
    dataset_meta: Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
) -> str:
    """Write the stock segmentor's checkpoint and prove that it is the trained segmentor.

    The file holds plain tensors and plain types, so that ``torch.load(weights_only=True)`` takes it.
    Before it gets its name, it is read back, loaded with ``strict=True`` into the stock segmentor, and
    weights, features, logits and predictions on two test images are compared bit by bit with the
    trained model's.

    Args:
        config: Config of the training.
        state_dict: Weights of the trained segmentor (averaged ones under EMA). Our heads may be in
            ``label_structure`` or among the auxiliary heads, whose stock names come back.
        out: Path of the ``.pth`` file.
        dataset_meta: Meta information of the data set (classes, palette).
        device: Where the two segmentors are compared.

    Returns:
        ``out``.

    Raises:
        ExportError: If the result would differ from the trained segmentor; ``out`` is not touched.
    """
    stock = stock_config(config)
    stock_name = _stock_names(config)
    scope = config.get('default_scope', 'mmseg')

    def verify(exported: Mapping[str, Tensor]) -> None:
        models = [build_model(model_config(part), MODELS, scope) for part in (config, stock)]
        compare_models(models[0], state_dict, models[1], exported, stock_name, _run, device, config)

    return write_export(out, stock, stock_state_dict(config, state_dict), dataset_meta, verify)


def _stock_names(config: Config) -> StockName:
    """What a tensor of the trained segmentor is called in the stock one."""
    heads = config.model.get(_AUXILIARY)
    if isinstance(heads, Mapping) and _is_label_head(heads):
        numbers: dict[str, str | None] = {'': None}
    elif isinstance(heads, list | tuple) and any(map(_is_label_head, heads)):
        kept = [str(index) for index, head in enumerate(heads) if not _is_label_head(head)]
        numbers = {str(index): None for index in range(len(heads))}
        for new, old in enumerate(kept):
            numbers[old] = f'{_AUXILIARY}.{new}.' if len(kept) > 1 else f'{_AUXILIARY}.'
    else:
        numbers = {}

    def stock_name(key: str) -> str | None:
        if key.startswith(SUBTREE):
            return None
        for number, prefix in numbers.items():
            old = f'{_AUXILIARY}.{number}.' if number else f'{_AUXILIARY}.'
            if key.startswith(old):
                return None if prefix is None else prefix + key[len(old) :]
        return key

    return stock_name


def _is_label_head(config: Any) -> bool:
    return builds_a(FrozenLabelHead, config, MODELS)


def _tensors(value: Any) -> list[Tensor]:
    """All tensors of nested lists and tuples."""
    return (
        [value]
        if isinstance(value, Tensor)
        else [each for part in value for each in _tensors(part)]
    )


@torch.no_grad()
def _run(model: Any, image: Tensor) -> list[Tensor]:
    """All tensors that a segmentor computes for an image: features, logits and predictions."""
    size = tuple(image.shape[-2:])
    sample = SegDataSample(
        metainfo=dict(img_path='test image', ori_shape=size, img_shape=size, pad_shape=size)
    )
    data = model.data_preprocessor({'inputs': [image], 'data_samples': [sample]}, False)
    features = model.extract_feat(data['inputs'])
    output = model(**data, mode='predict')[0]
    return [*_tensors(features), output.seg_logits.data, output.pred_sem_seg.data]
