"""Annotations to tensors: pure functions that know neither networks nor toolboxes."""

from labelenc_mm.labels.object_maps import (
    OBJECT_MAP_VERSION,
    draw_object_maps,
    sample_object_scales,
)
from labelenc_mm.labels.one_hot import (
    VOID,
    VOID_COLOR,
    check_label_values,
    convolve_label_maps,
    one_hot_label_maps,
)

__all__ = [
    'OBJECT_MAP_VERSION',
    'VOID',
    'VOID_COLOR',
    'check_label_values',
    'convolve_label_maps',
    'draw_object_maps',
    'one_hot_label_maps',
    'sample_object_scales',
]
