"""Export of a label-encoded training as the stock detector: same keys, same predictions, nothing of ours."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import HOOKS, LOOPS, MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from labelenc_mm.handover.export import Exporter, select_stock_tensors


@torch.no_grad()
def _run(model: Any, image: Tensor) -> list[Tensor]:
    """All tensors that a detector computes for an image: features and predictions."""
    height, width = image.shape[-2:]
    sample = DetDataSample(
        metainfo=dict(
            img_id=0,
            img_path='test image',
            ori_shape=(height, width),
            img_shape=(height, width),
            scale_factor=(1.0, 1.0),
        )
    )
    if not getattr(model, 'with_rpn', True):  # Fast R-CNN predicts from boxes that it is given
        box = torch.tensor([[0.0, 0.0, width, height]])
        sample.proposals = InstanceData(bboxes=box)
    data = model.data_preprocessor({'inputs': [image], 'data_samples': [sample]}, False)
    features = [*model.extract_feat(data['inputs'])]
    output = model(**data, mode='predict')[0]
    predictions = [output.get(key) for key in sorted(output.keys()) if key.startswith('pred_')]
    values = [value for prediction in predictions for value in prediction.values()]
    return features + [value for value in values if isinstance(value, Tensor)]


export_detector = Exporter(
    noun='detector',
    file_name='exported_detector.pth',
    scope='mmdet',
    models=MODELS,
    hooks=HOOKS,
    loops=LOOPS,
    subtree='labelenc',
    run=_run,
)
"""Writes the stock detector of a training, see :class:`.Exporter`."""

stock_config = export_detector.stock_config


def stock_state_dict(state_dict: Mapping[str, Tensor]) -> 'OrderedDict[str, Tensor]':
    """The stock detector's part of a label-encoded state dict, on the CPU, versions included."""
    return select_stock_tensors(
        state_dict, lambda key: None if key.startswith(f'{export_detector.subtree}.') else key
    )
