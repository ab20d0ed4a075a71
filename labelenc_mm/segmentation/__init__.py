"""The part that plugs into MMSegmentation: label structure, hypercolumn networks, U-Net."""

# ruff: noqa: E402

from typing import Any

from labelenc_mm import toolbox

toolbox.require('mmcv', 'mmseg')  # says what is wrong with them, and the remedy, before they do

from mmseg.registry import MODELS

from labelenc_mm.networks import (
    EfficientNetLite,
    HybridViT,
    TappedAlexNet,
    TappedDenseNet,
    TappedVGG,
)
from labelenc_mm.segmentation.data.gray_images import GraySegDataPreProcessor
from labelenc_mm.segmentation.data.joint_random_resized_crop import JointRandomResizedCrop
from labelenc_mm.segmentation.data.label_map_size import CheckLabelMapSize
from labelenc_mm.segmentation.data.label_only_pipeline import BlankImageLikeLabelMap, label_only
from labelenc_mm.segmentation.hypercolumns.balanced_edge_loss import BalancedEdgeLoss
from labelenc_mm.segmentation.hypercolumns.depth_head import (
    HypercolumnDepthHead,
    HypercolumnSiLogLoss,
)
from labelenc_mm.segmentation.hypercolumns.edge_tta_model import EdgeTTAModel
from labelenc_mm.segmentation.hypercolumns.fcn_skip_head import FCNSkipHead
from labelenc_mm.segmentation.hypercolumns.field_of_view_neck import FieldOfViewNeck
from labelenc_mm.segmentation.hypercolumns.hypercolumn_head import HypercolumnHead
from labelenc_mm.segmentation.hypercolumns.hypercolumn_segmentor import HypercolumnEncoderDecoder
from labelenc_mm.segmentation.hypercolumns.pixel_targets import (
    LabelMapTargets,
    PixelTargets,
    VectorMapTargets,
)
from labelenc_mm.segmentation.hypercolumns.point_samplers import (
    BalancedPointSampler,
    PointSampler,
    UniformPointSampler,
)
from labelenc_mm.segmentation.hypercolumns.tapped_backbone import tapped_backbone
from labelenc_mm.segmentation.label_structure.export import export_segmentor
from labelenc_mm.segmentation.label_structure.frozen_label_decoder_head import (
    FrozenLabelDecoderHead,
)
from labelenc_mm.segmentation.label_structure.frozen_label_encoder_head import (
    FrozenLabelEncoderHead,
)
from labelenc_mm.segmentation.label_structure.label_autoencoder import LabelAutoEncoder
from labelenc_mm.segmentation.label_structure.label_code import (
    load_label_code,
    save_label_autoencoder,
)
from labelenc_mm.segmentation.label_structure.label_structure_hook import LabelStructureHook
from labelenc_mm.segmentation.label_structure.label_structure_segmentor import (
    LabelStructureMixin,
    label_structure_segmentor,
    register_label_structure_segmentors,
)
from labelenc_mm.segmentation.label_structure.label_structure_visualization_hook import (
    LabelStructureVisualizationHook,
)
from labelenc_mm.segmentation.label_structure.one_hot_mse_loss import OneHotMSELoss
from labelenc_mm.segmentation.map_visualizer import MapVisualizer
from labelenc_mm.segmentation.surface_normals.normal_preprocessor import NormalDataPreProcessor
from labelenc_mm.segmentation.surface_normals.surface_normal_estimator import (
    SurfaceNormalEstimator,
    SurfaceNormalTTAModel,
)
from labelenc_mm.segmentation.surface_normals.surface_normal_loss import SurfaceNormalLoss
from labelenc_mm.segmentation.unet_decoder_head import UNetDecoderHead

for _network in (EfficientNetLite, HybridViT, TappedAlexNet, TappedDenseNet, TappedVGG):
    MODELS.register_module(module=_network)
register_label_structure_segmentors()


def __getattr__(name: str) -> Any:
    """``LabelStructure<Name>`` as an attribute, for configs that import classes."""
    if name.startswith('LabelStructure') and name in MODELS.module_dict:
        return MODELS.module_dict[name]
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


__all__ = [
    'BalancedEdgeLoss',
    'BalancedPointSampler',
    'BlankImageLikeLabelMap',
    'CheckLabelMapSize',
    'EdgeTTAModel',
    'FCNSkipHead',
    'FieldOfViewNeck',
    'FrozenLabelDecoderHead',
    'FrozenLabelEncoderHead',
    'GraySegDataPreProcessor',
    'HypercolumnDepthHead',
    'HypercolumnEncoderDecoder',
    'HypercolumnHead',
    'HypercolumnSiLogLoss',
    'JointRandomResizedCrop',
    'LabelAutoEncoder',
    'LabelMapTargets',
    'LabelStructureHook',
    'LabelStructureMixin',
    'LabelStructureVisualizationHook',
    'MapVisualizer',
    'NormalDataPreProcessor',
    'OneHotMSELoss',
    'PixelTargets',
    'PointSampler',
    'SurfaceNormalEstimator',
    'SurfaceNormalLoss',
    'SurfaceNormalTTAModel',
    'UNetDecoderHead',
    'UniformPointSampler',
    'VectorMapTargets',
    'export_segmentor',
    'label_only',
    'label_structure_segmentor',
    'load_label_code',
    'save_label_autoencoder',
    'tapped_backbone',
]
