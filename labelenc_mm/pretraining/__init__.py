"""The part that plugs into MMSegmentation before its trainings: encoders and decoders that know something."""

# ruff: noqa: E402

from labelenc_mm import toolbox

toolbox.require('mmcv', 'mmseg')  # says what is wrong with them, and the remedy, before they do

from labelenc_mm import segmentation  # noqa: F401  (whose parts the registries learn with ours)
from labelenc_mm.pretraining.classification.classification_metric import ClassificationMetric
from labelenc_mm.pretraining.classification.image_classifier import ImageClassifier

__all__ = ['ClassificationMetric', 'ImageClassifier']
