"""The part that plugs into MMDetection: label-encoded detectors, their hooks and their export."""

# ruff: noqa: E402

from typing import Any

from labelenc_mm import toolbox

toolbox.require('mmcv', 'mmdet')  # says what is wrong with them, and the remedy, before they do

from mmdet.registry import MODELS

from labelenc_mm.detection.export import export_detector, stock_config, stock_state_dict
from labelenc_mm.detection.feature_distillation_head import FeatureDistillationHead
from labelenc_mm.detection.feature_supervision_head import FeatureSupervisionHead
from labelenc_mm.detection.label_encoding import load_label_encoding, save_label_encoding
from labelenc_mm.detection.label_encoding_head import LabelEncodingHead
from labelenc_mm.detection.label_encoding_steps import FrozenLabelEncodingHead, LabelEncodingLearner
from labelenc_mm.detection.labelenc_detector import (
    LabelEncMixin,
    labelenc_detector,
    register_labelenc_detectors,
)
from labelenc_mm.detection.labelenc_hook import LabelEncHook
from labelenc_mm.detection.load_blank_image import LoadBlankImage
from labelenc_mm.detection.one_run_label_encoding_head import OneRunLabelEncodingHead
from labelenc_mm.detection.reconstruction_loop import LabelEncValLoop
from labelenc_mm.networks import EfficientNetLite

MODELS.register_module(module=EfficientNetLite)
register_labelenc_detectors()


def __getattr__(name: str) -> Any:
    """``LabelEnc<Name>`` as an attribute, for configs that import classes."""
    if name.startswith('LabelEnc') and name in MODELS.module_dict:
        return MODELS.module_dict[name]
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


__all__ = [
    'FeatureDistillationHead',
    'FeatureSupervisionHead',
    'FrozenLabelEncodingHead',
    'LabelEncHook',
    'LabelEncMixin',
    'LabelEncValLoop',
    'LabelEncodingHead',
    'LabelEncodingLearner',
    'LoadBlankImage',
    'OneRunLabelEncodingHead',
    'export_detector',
    'labelenc_detector',
    'load_label_encoding',
    'save_label_encoding',
    'stock_config',
    'stock_state_dict',
]
