"""Networks over labels and images that know no task."""

from labelenc_mm.networks.feature_adaptation import FeatureAdaptationBlock
from labelenc_mm.networks.feature_distance import feature_distance
from labelenc_mm.networks.label_encoder import LabelEncoder

__all__ = ['FeatureAdaptationBlock', 'LabelEncoder', 'feature_distance']
