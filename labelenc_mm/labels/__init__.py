"""Annotations to tensors: pure functions that know neither networks nor toolboxes."""

from labelenc_mm.labels.label_maps import LABEL_MAP_VERSION, draw_label_maps, sample_label_scales
from labelenc_mm.labels.one_hot import (
    VOID,
    VOID_COLOR,
    check_label_values,
    convolve_label_maps,
    one_hot_label_maps,
)

__all__ = [
    'LABEL_MAP_VERSION',
    'VOID',
    'VOID_COLOR',
    'check_label_values',
    'convolve_label_maps',
    'draw_label_maps',
    'one_hot_label_maps',
    'sample_label_scales',
]
