"""The training-only part of a label-encoded detector (LabelEnc, ECCV 2020, sec. 3).

Shape legend: N images, K classes present in an image, C channels of the neck, (H, W) size of the padded
batch in pixels, (h_l, w_l) size of pyramid level l.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from labelenc_mm.detection.feature_distillation_head import FeatureDistillationHead
from labelenc_mm.detection.feature_supervision_head import FeatureSupervisionHead
from labelenc_mm.detection.ground_truth import image_path, objects_to_draw, sampling_offset
from labelenc_mm.detection.introspection import (
    common_width,
    count_classes,
    find_encoder_outputs,
    measure_features,
    predicts_masks,
    source_of_levels,
)
from labelenc_mm.detection.label_encoding import LABEL_ENCODING
from labelenc_mm.detection.label_pyramid import build_pyramid, measure_width
from labelenc_mm.engine.schedule import Limit
from labelenc_mm.labels import draw_object_maps, sample_object_scales
from labelenc_mm.networks import LabelEncoder
from labelenc_mm.networks.autocast import without_float16
from labelenc_mm.networks.modes import evaluation_mode

# The network itself knows no toolbox.
MODELS.register_module(module=LabelEncoder)


@MODELS.register_module()
class LabelEncodingHead(FeatureSupervisionHead):
    """Draws object maps, encodes them, adapts image features and measures the distance.

    It is the ``labelenc`` subtree of a detector that :class:`LabelEncMixin` extends, which also fills
    in ``num_classes``, ``neck``, ``encoder_outputs`` and ``backbone_channels``; users write the other
    arguments. What differs between the steps is a class a stage, which ``stage`` chooses and which has
    options of its own: :class:`.LabelEncodingLearner`, :class:`.FrozenLabelEncodingHead` and
    :class:`.OneRunLabelEncodingHead`.

    Args:
        stage: 'autoencode' (step 1, sec. 3.2: learn the label encoding function together with a
            detector), 'supervise' (step 2, sec. 3.3: train a detector under the frozen function) or
            'one-run' (both in one training).
        num_classes: Number of classes, filled in by the detector.
        neck: The detector's own neck config, or list of them, filled in by the detector; it is built
            once more on top of the label encoder, as in the released code. None for a detector without
            a neck.
        encoder_outputs: Which of the encoder's 4 outputs (strides 4, 8, 16, 32) feed the pyramid;
            measured on the backbone unless written.
        backbone_channels: Channels of the backbone's outputs, filled in by the detector, which measures
            them: they tell in which order the neck lists them.
        encoder: Options of :class:`~labelenc_mm.networks.LabelEncoder`.
        adapter: Another block's type in place of :class:`~labelenc_mm.networks.FeatureAdaptationBlock`.
        loss_weight: Weight of the distance (sec. 3.2 and 3.3: 1). With 0 step 2 draws and encodes nothing
            (Table 5, initialization without supervision); in one run it takes labels before the images, or
            ``labels_train_head=True``: nothing else would be left for the detector.
        distance_begin: When the distance starts to count, see :class:`.TrainingWindow`.
            By default after a quarter of step 1 (sec. 4.1: 30k of 120k iterations, 4 of 16 epochs), and
            from the start in step 2.
        distance_end: When it stops. By default step 2 drops it for the last epoch, or, with
            ``distance_by_epoch=False``, for the last ninth (sec. 4.1: 10k of 90k iterations).
        distance_by_epoch: Whether int limits count epochs (else iterations).
        label_source: 'box' (sec. 3.4) or 'mask' (sec. 4.5; the box ramp times the instance mask, the
            form of the released code). By default 'mask' for detectors that predict masks.
        pixel_offset: Sampling position inside a pixel, see :func:`~labelenc_mm.labels.draw_object_maps`.
            By default the centre: 0.5 of exclusive, 0 of inclusive boxes.
        pixel_convention: 'exclusive' draws MMDetection's boxes, which end behind their last pixel;
            'inclusive' the drawing of the released code: boxes that end at the last pixel of the
            original image (a box clipped to the image at the image's last pixel, one of a single pixel
            not at all), also after resize and flip, sampled at whole pixels. Masks cut the same ramp.
            Both steps must agree. See :func:`~labelenc_mm.detection.ground_truth.inclusive_boxes`.
        shuffle_labels: A control, for whether it matters what the labels say: every image is compared with
            the label features of another image of its batch.
        halved_levels: How many of the pyramid's finest levels are compared at half their resolution, the
            means of 2x2 cells of both sides, before the adapter: of a level of stride 4 it is the dearest
            part. Such a level then weighs a quarter, as much as its elements.
        standardize: What is brought to mean 0 and variance 1 before both sides are compared: each 'image'
            of a level (the released code), or each 'channel' over the images of the batch that are
            compared, as in PKD (Cao et al., NeurIPS 2022), which leaves out what a channel has in common
            everywhere.
        distillation: Options of :class:`.FeatureDistillationHead`, for a trained detector as a second
            supervision, with an adapter and a schedule of its own: ``loss_distillation``.
    """

    artefact = LABEL_ENCODING
    taken = ('encoder', 'pyramid')
    draws_labels = True
    mismatch_advice = (
        "Choose the outputs of the label encoder (strides 4, 8, 16, 32) that match the backbone's with "
        'labelenc.encoder_outputs'
    )
    stage: str
    step: str
    """What the stage is called in the paper's order, for messages."""
    foreign: ClassVar[dict[str, tuple[Any, str]]] = {}
    """Options of other stages: the value that says nothing, and what to say of another."""
    stages: ClassVar[dict[str, type['LabelEncodingHead']]] = {}

    # Replaced where another form of the same function is compared.
    draw_maps = staticmethod(draw_object_maps)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if 'stage' in vars(cls):
            cls.stages[cls.stage] = cls

    def __new__(cls, stage: str | None = None, **options: Any) -> 'LabelEncodingHead':
        """The class of the stage, which the constructor then builds."""
        if not hasattr(cls, 'stage'):
            if stage not in cls.stages:
                known = ' or '.join(f'{name!r} ({kind.step})' for name, kind in cls.stages.items())
                raise ValueError(f'labelenc.stage={stage!r} is unknown; write {known}')
            if cls is LabelEncodingHead:
                cls = cls.stages[stage]
            else:  # a subclass that serves any stage goes before that of the stage
                bases = (cls, cls.stages[stage])
                cls = type(cls.__name__, bases, {'__module__': cls.__module__})
        return super().__new__(cls)

    def __init__(
        self,
        stage: str,
        num_classes: int,
        neck: dict | list[dict] | None,
        encoder_outputs: Sequence[int] = (0, 1, 2, 3),
        backbone_channels: Sequence[int] | None = None,
        encoder: dict | None = None,
        adapter: dict | None = None,
        loss_weight: float = 1.0,
        distance_begin: Limit | None = None,
        distance_end: Limit | None = None,
        distance_by_epoch: bool = True,
        label_source: str = 'box',
        pixel_offset: float | None = None,
        pixel_convention: str = 'exclusive',
        shuffle_labels: bool = False,
        halved_levels: int = 0,
        standardize: str = 'image',
        distillation: dict | None = None,
        **foreign: Any,
    ) -> None:
        for name, value in foreign.items():
            if name not in self.foreign:
                raise TypeError(f'labelenc got an unexpected keyword argument {name!r}')
            silent, text = self.foreign[name]
            if value != silent:
                raise ValueError(text)
        if label_source not in ('box', 'mask'):
            raise ValueError(f"labelenc.label_source must be 'box' or 'mask', got {label_source!r}")
        if halved_levels < 0:
            raise ValueError(f'labelenc.halved_levels={halved_levels} is no number of levels')
        super().__init__(
            0 if distance_begin is None else distance_begin,
            distance_end,
            distance_by_epoch,
            loss_weight,
            standardize=standardize,
        )
        self.shuffle_labels = shuffle_labels
        self.halved_levels = halved_levels
        self.num_classes = num_classes
        self.neck_config = neck
        self.label_source = label_source
        self.pixel_convention = pixel_convention
        self.pixel_offset = sampling_offset(pixel_convention, pixel_offset)
        self.encoder_outputs = tuple(encoder_outputs)
        self.encoder = MODELS.build(
            {'type': 'LabelEncoder', **(encoder or {}), 'num_classes': num_classes}
        )
        in_channels = [self.encoder.out_channels[index] for index in self.encoder_outputs]
        self.pyramid = build_pyramid(neck, in_channels, backbone_channels)
        strides = [self.encoder.strides[index] for index in self.encoder_outputs]
        self.complete(measure_width(self.pyramid, in_channels, strides, neck), adapter)
        self.distillation: FeatureDistillationHead | None = None
        if distillation is not None:
            self.distillation = MODELS.build({'type': 'FeatureDistillationHead', **distillation})

    @classmethod
    def known_from(cls, detector: Any, neck: Any, given: dict) -> dict:
        """Classes, neck and widths of the detector; encoder outputs and source of labels if not given."""
        known = {'num_classes': count_classes(detector), 'neck': neck}
        try:
            features = measure_features(detector, 'Set labelenc.encoder_outputs')
        except ValueError:
            if 'encoder_outputs' not in given:
                raise
        else:
            common_width(features.widths, source_of_levels(detector), neck)
            known['backbone_channels'] = features.channels
            if 'encoder_outputs' not in given:
                known['encoder_outputs'] = find_encoder_outputs(features.strides)
        if 'label_source' not in given:
            known['label_source'] = 'mask' if predicts_masks(detector) else 'box'
        if given.get('distillation'):
            options = given['distillation']
            known['distillation'] = {
                **options,
                **FeatureDistillationHead.known_from(detector, neck, options),
            }
        return known

    def load(self, owner: nn.Module | None = None, again: bool = False) -> None:
        """Take what ``init_from`` has; a teacher what its own has."""
        super().load(owner, again)
        if self.distillation is not None:
            self.distillation.load(owner)

    def count_active(self) -> int:
        """As of the class above; a teacher is a part, too."""
        active, head = super().count_active(), self.distillation
        return active + 1 if active and head is not None and head.is_distance_active() else active

    def further_losses(
        self, batch_inputs: Tensor, image_features: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """The distance to a teacher's features, while it counts."""
        head = self.distillation
        if head is None or not head.is_distance_active():
            return {}
        head.check_is_learned()
        losses = head.loss(image_features, head.targets(batch_inputs, []))
        return {key.replace('labelenc', 'distillation'): loss for key, loss in losses.items()}

    def targets(
        self, batch_inputs: Tensor, data_samples: Sequence[DetDataSample]
    ) -> tuple[Tensor, ...]:
        """Label features of a batch, see :meth:`encode`; of the images only the size matters."""
        height, width = batch_inputs.shape[-2:]
        return self.encode(data_samples, (height, width))

    def loss(
        self, image_features: Sequence[Tensor], targets: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """The distance, as :class:`FeatureSupervisionHead` has it, or that of other images' labels.

        Raises:
            ValueError: There is no other image.
        """
        if self.shuffle_labels:
            if len(targets[0]) < 2:
                raise ValueError(
                    'labelenc.shuffle_labels=True compares images with the labels of others, and a single '
                    'image is compared: give larger batches, and train_dataloader.drop_last=True'
                )
            targets = [level.roll(1, dims=0) for level in targets]
        return super().loss(image_features, targets)

    def encode(
        self, data_samples: Sequence[DetDataSample], size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Encode the ground truth of N images into a feature pyramid.

        Args:
            data_samples: Samples whose ``gt_instances`` are in coordinates of the network input.
            size: (H, W) of the padded batch.

        Returns:
            Levels of shape (N, C, h_l, w_l), like the image features; without gradient, and from encoder and
            pyramid in evaluation mode, where these do not learn.
        """
        learns = self.learns and torch.is_grad_enabled()
        device = self.encoder.stem.weight.device
        # Scaled where the encoder learns alone, as in the released code.
        augment = self.training and learns
        object_maps = [self.draw(sample, size, augment, device) for sample in data_samples]
        with (
            torch.set_grad_enabled(learns),
            # Where it does not, no statistics of a pyramid's normalisation are taken or gathered.
            nullcontext() if learns else evaluation_mode(self.encoder, self.pyramid),
            without_float16(device.type),
        ):
            features = self.encoder(object_maps)
            return tuple(self.pyramid([features[index] for index in self.encoder_outputs]))

    def draw_scales(self, count: int, device: torch.device | str) -> Tensor:
        """The (count,) factors of an image's objects."""
        return sample_object_scales(count, device=device)

    def draw(
        self,
        data_sample: DetDataSample,
        size: tuple[int, int],
        augment: bool = False,
        device: torch.device | str = 'cpu',
    ) -> tuple[Tensor, Tensor]:
        """Draw one image's ground truth: ``classes`` (K,) and ``maps`` (K, H, W)."""
        boxes, labels, masks = objects_to_draw(
            data_sample, size, device, self.label_source, self.pixel_convention
        )
        scales = self.draw_scales(len(labels), device) if augment else None
        try:
            return self.draw_maps(
                boxes,
                labels,
                size,
                masks=masks,
                scales=scales,
                pixel_offset=self.pixel_offset,
                num_classes=self.num_classes,
            )
        except ValueError as error:
            raise ValueError(f'{image_path(data_sample)}: {error}') from error
