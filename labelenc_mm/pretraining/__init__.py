"""The part that plugs into MMSegmentation before the labels: decoder denoising (DDeP), colorization,
image classifiers.
"""

# The toolbox is checked by segmentation, which this room stands on, before it is imported here.
import labelenc_mm.segmentation  # noqa: F401
from labelenc_mm.pretraining.classification.classification_metric import ClassificationMetric
from labelenc_mm.pretraining.classification.image_classifier import ImageClassifier
from labelenc_mm.pretraining.classification.ten_crops import ClassifierTTAModel, CropAt
from labelenc_mm.pretraining.colorization.color_heads import (
    ColorHistogramHead,
    ColorRegressionHead,
)
from labelenc_mm.pretraining.colorization.color_losses import (
    ColorHistogramLoss,
    ColorRegressionLoss,
)
from labelenc_mm.pretraining.colorization.color_targets import (
    ColorHistogramTargets,
    ColorTargets,
    LabTargets,
)
from labelenc_mm.pretraining.colorization.colorization_metric import ColorizationMetric
from labelenc_mm.pretraining.colorization.colorization_pretrainer import ColorizationPretrainer
from labelenc_mm.pretraining.colorization.colorization_visualization_hook import (
    ColorizationVisualizationHook,
)
from labelenc_mm.pretraining.denoising.denoising_hook import DenoisingHook
from labelenc_mm.pretraining.denoising.denoising_metric import DenoisingMetric
from labelenc_mm.pretraining.denoising.denoising_pretrainer import DenoisingDecoderPretrainer
from labelenc_mm.pretraining.denoising.denoising_visualization_hook import (
    DenoisingVisualizationHook,
)
from labelenc_mm.pretraining.denoising.gaussian_corruption import GaussianCorruption
from labelenc_mm.pretraining.image_list_dataset import ImageListDataset, PackClassInputs
from labelenc_mm.pretraining.load_photo import LoadPhoto, PackPhotos
from labelenc_mm.pretraining.photo_dataset import PhotoDataset, PhotoError
from labelenc_mm.pretraining.photo_hook import PhotoHook
from labelenc_mm.pretraining.pretrained_segmentor import (
    LoadPretrainedSegmentor,
    load_pretrained_segmentor,
)

__all__ = [
    'ClassificationMetric',
    'ClassifierTTAModel',
    'ColorHistogramHead',
    'ColorHistogramLoss',
    'ColorHistogramTargets',
    'ColorRegressionHead',
    'ColorRegressionLoss',
    'ColorTargets',
    'ColorizationMetric',
    'ColorizationPretrainer',
    'ColorizationVisualizationHook',
    'CropAt',
    'DenoisingDecoderPretrainer',
    'DenoisingHook',
    'DenoisingMetric',
    'DenoisingVisualizationHook',
    'GaussianCorruption',
    'ImageClassifier',
    'ImageListDataset',
    'LabTargets',
    'LoadPhoto',
    'LoadPretrainedSegmentor',
    'PackClassInputs',
    'PackPhotos',
    'PhotoDataset',
    'PhotoError',
    'PhotoHook',
    'load_pretrained_segmentor',
]
