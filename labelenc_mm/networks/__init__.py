"""Networks over labels and images that know no task."""

from labelenc_mm.networks.efficientnet_lite import EfficientNetLite
from labelenc_mm.networks.feature_adaptation import FeatureAdaptationBlock
from labelenc_mm.networks.feature_distance import feature_distance, likeness_of_images
from labelenc_mm.networks.hybrid_vit import HybridViT
from labelenc_mm.networks.hypercolumn import HypercolumnProjection
from labelenc_mm.networks.label_encoder import LabelEncoder
from labelenc_mm.networks.label_map_coder import LabelMapDecoder, LabelMapEncoder
from labelenc_mm.networks.point_drawing import draw_balanced, draw_uniform
from labelenc_mm.networks.point_sampling import pixel_grid, sample_points, upsample_by_stride
from labelenc_mm.networks.tapped_alexnet import TappedAlexNet
from labelenc_mm.networks.tapped_densenet import TappedDenseNet
from labelenc_mm.networks.tapped_vgg import TappedVGG

__all__ = [
    'EfficientNetLite',
    'FeatureAdaptationBlock',
    'HybridViT',
    'HypercolumnProjection',
    'LabelEncoder',
    'LabelMapDecoder',
    'LabelMapEncoder',
    'TappedAlexNet',
    'TappedDenseNet',
    'TappedVGG',
    'draw_balanced',
    'draw_uniform',
    'feature_distance',
    'likeness_of_images',
    'pixel_grid',
    'sample_points',
    'upsample_by_stride',
]
