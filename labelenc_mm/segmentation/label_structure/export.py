"""Export of a training with label structure as the stock segmentor: same keys, same predictions."""

from typing import Any

import torch
from mmseg.registry import HOOKS, LOOPS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.handover.export import Exporter


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


export_segmentor = Exporter(
    noun='segmentor',
    file_name='exported_segmentor.pth',
    scope='mmseg',
    models=MODELS,
    hooks=HOOKS,
    loops=LOOPS,
    subtree='label_structure',
    run=_run,
)
"""Writes the stock segmentor of a training, see :class:`.Exporter`."""

stock_config = export_segmentor.stock_config
stock_state_dict = export_segmentor.stock_state_dict
