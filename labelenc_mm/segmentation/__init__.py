"""What plugs into MMSegmentation: hypercolumn networks."""

# ruff: noqa: E402

from labelenc_mm import toolbox

toolbox.require('mmcv', 'mmseg')  # says what is wrong with them, and the remedy, before they do

from mmseg.registry import MODELS

from labelenc_mm.networks import TappedDenseNet, TappedVGG
from labelenc_mm.segmentation.hypercolumn_head import FCNSkipHead, HypercolumnHead
from labelenc_mm.segmentation.tapped_backbone import tapped_backbone

for _network in (TappedDenseNet, TappedVGG):
    MODELS.register_module(module=_network)

__all__ = ['FCNSkipHead', 'HypercolumnHead', 'tapped_backbone']
