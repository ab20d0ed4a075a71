"""From a label-encoded training to the stock detector: same keys, same predictions, nothing of ours."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import HOOKS, LOOPS, MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

from labelenc_mm.engine.built_models import build_model, model_config
from labelenc_mm.handover.export import (
    ExportError,
    compare_models,
    config_without_ours,
    select_stock_tensors,
    stock_model,
    write_export,
)

FILE_NAME = 'exported_detector.pth'
SUBTREE = 'labelenc.'

__all__ = ['FILE_NAME', 'ExportError', 'export_detector', 'stock_config', 'stock_state_dict']


def stock_state_dict(state_dict: Mapping[str, Tensor]) -> 'OrderedDict[str, Tensor]':
    """The stock detector's part of a label-encoded state dict, on the CPU, versions included."""
    return select_stock_tensors(state_dict, _stock_name)


def stock_config(config: Config) -> Config:
    """The config of the stock detector: ours without our model options, hooks, loops and imports."""
    return config_without_ours(
        config, stock_model(config, MODELS, 'labelenc'), MODELS, HOOKS, LOOPS
    )


def export_detector(
    config: Config,
    state_dict: Mapping[str, Tensor],
    out: str,
    dataset_meta: Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
) -> str:
    """Write the stock detector's checkpoint and prove that it is the trained detector.

    The file holds plain tensors and plain types, so that ``torch.load(weights_only=True)`` takes it.
    Before it gets its name, it is read back, loaded with ``strict=True`` into the stock detector, and
    weights, features and predictions on two test images are compared bit by bit with the trained
    model's.

    Args:
        config: Config of the training.
        state_dict: Weights of the label-encoded detector (averaged ones under EMA).
        out: Path of the ``.pth`` file.
        dataset_meta: Meta information of the data set (classes, palette).
        device: Where the two detectors are compared.

    Returns:
        ``out``.

    Raises:
        ExportError: If the result would differ from the trained detector, or nothing of it has been
            trained (``labelenc.joint=False``); ``out`` is not touched.
    """
    if not config.model.get('labelenc', {}).get('joint', True):
        raise ExportError(
            'this is a step 1 without images (labelenc.joint=False): backbone and neck are untrained. '
            'Export the detector of step 2'
        )
    stock = stock_config(config)
    scope = config.get('default_scope', 'mmdet')

    def verify(exported: Mapping[str, Tensor]) -> None:
        models = [build_model(model_config(part), MODELS, scope) for part in (config, stock)]
        compare_models(
            models[0], state_dict, models[1], exported, _stock_name, _run, device, config
        )

    return write_export(out, stock, stock_state_dict(state_dict), dataset_meta, verify)


def _stock_name(key: str) -> str | None:
    return None if key.startswith(SUBTREE) else key


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
