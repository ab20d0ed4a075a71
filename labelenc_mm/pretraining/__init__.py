"""The part that plugs into MMSegmentation before the labels: decoder denoising (DDeP), image classifiers."""

# The toolbox is checked by segmentation, which this room stands on, before it is imported here.
import labelenc_mm.segmentation  # noqa: F401
from labelenc_mm.pretraining.classification.classification_metric import ClassificationMetric
from labelenc_mm.pretraining.classification.image_classifier import ImageClassifier
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
from labelenc_mm.pretraining.pretrained_segmentor import (
    LoadPretrainedSegmentor,
    load_pretrained_segmentor,
)

__all__ = [
    'ClassificationMetric',
    'DenoisingDecoderPretrainer',
    'DenoisingHook',
    'DenoisingMetric',
    'DenoisingVisualizationHook',
    'GaussianCorruption',
    'ImageClassifier',
    'ImageListDataset',
    'LoadPhoto',
    'LoadPretrainedSegmentor',
    'PackClassInputs',
    'PackPhotos',
    'PhotoDataset',
    'PhotoError',
    'load_pretrained_segmentor',
]
