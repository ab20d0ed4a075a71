"""Annotations to tensors: pure functions that know neither networks nor toolboxes."""

from labelenc_mm.labels.label_maps import LABEL_MAP_VERSION, draw_label_maps, sample_label_scales

__all__ = ['LABEL_MAP_VERSION', 'draw_label_maps', 'sample_label_scales']
