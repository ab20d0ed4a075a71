"""Networks over labels and images that know no task."""

from labelenc_mm.networks.feature_adaptation import FeatureAdaptationBlock
from labelenc_mm.networks.feature_distance import feature_distance
from labelenc_mm.networks.feature_names import FeatureRecorder
from labelenc_mm.networks.label_encoder import LabelEncoder
from labelenc_mm.networks.label_map_coder import LabelMapDecoder, LabelMapEncoder

__all__ = [
    'FeatureAdaptationBlock',
    'FeatureRecorder',
    'LabelEncoder',
    'LabelMapDecoder',
    'LabelMapEncoder',
    'feature_distance',
]
