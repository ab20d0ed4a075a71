"""The training-only part of a label-encoded detector (LabelEnc, ECCV 2020, sec. 3).

Shape legend: N images, K classes present in an image, C channels of the neck, (H, W) size of the padded
batch in pixels, (h_l, w_l) size of pyramid level l.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.model import BaseModule
from torch import Tensor, nn

from labelenc_mm.detection.feature_supervision_head import (
    DISTANCE_END,
    FeatureSupervisionHead,
)
from labelenc_mm.detection.ground_truth import inclusive_boxes
from labelenc_mm.detection.hand_over import load_label_encoding
from labelenc_mm.detection.introspection import (
    common_width,
    count_classes,
    find_encoder_outputs,
    level_widths,
    measure_features,
    predicts_masks,
    source_of_levels,
)
from labelenc_mm.engine.built_models import drop_pretrained
from labelenc_mm.engine.schedule import Limit
from labelenc_mm.labels import draw_label_maps, sample_label_scales
from labelenc_mm.networks import LabelEncoder
from labelenc_mm.networks.autocast import without_float16

STAGES = ('autoencode', 'supervise')

# The network itself knows no toolbox.
MODELS.register_module(module=LabelEncoder)


@MODELS.register_module()
class LabelEncodingHead(FeatureSupervisionHead):
    """Draws label maps, encodes them, adapts image features and measures the distance.

    It is the ``labelenc`` subtree of a detector that :class:`LabelEncMixin` extends, which also fills
    in ``num_classes``, ``neck``, ``encoder_outputs`` and ``backbone_channels``; users write the other
    arguments.

    Args:
        stage: 'autoencode' (step 1: learn the label encoding function together with a detector) or
            'supervise' (step 2: train a detector under the frozen function).
        joint: Whether step 1 learns from the images, too. With False only the reconstruction loss is
            left (Table 2 and 5, 'reconstruction loss only'): backbone, neck and adapter rest, and no
            image is needed, see :class:`~labelenc_mm.detection.LoadBlankImage`.
        num_classes: Number of classes of the detector.
        neck: The detector's own neck config, or list of them; it is built once more on top of the
            label encoder. None for a detector without a neck.
        encoder_outputs: Which of the encoder's 4 outputs (strides 4, 8, 16, 32) feed the pyramid.
        backbone_channels: Channels of the backbone's outputs, as the detector measures them: they tell
            in which order the neck lists them.
        init_from: ``label_encoding.safetensors`` of step 1, loaded when step 2 starts.
        init_head: Whether step 2 also starts from the head of step 1 (Table 5, 'initialization').
        init_neck: Whether step 2 starts its neck from the pyramid of step 1 (as the released code, which
            does so together with the head: both are 'initialization' here).
        encoder: Options of :class:`~labelenc_mm.networks.LabelEncoder`.
        adapter: Another block's type in place of :class:`~labelenc_mm.networks.FeatureAdaptationBlock`.
        loss_weight: Weight of the distance (sec. 3.2 and 3.3: 1). With 0 step 2 draws and encodes nothing
            (Table 5, initialization without supervision).
        distance_begin: When the distance starts to count, see :class:`.TrainingWindow`.
            By default after a quarter of step 1 (sec. 4.1: 30k of 120k iterations, 4 of 16 epochs), and
            from the start in step 2.
        distance_end: When it stops. By default step 2 drops it for the last epoch, or, with
            ``distance_by_epoch=False``, for the last ninth (sec. 4.1: 10k of 90k iterations).
        distance_by_epoch: Whether int limits count epochs (else iterations).
        label_source: 'box' or 'mask' (the box ramp times the instance mask). By default 'mask' for
            detectors that predict masks.
        pixel_offset: Sampling position inside a pixel, see :func:`~labelenc_mm.labels.draw_label_maps`. By
            default the centre: 0.5 of exclusive, 0 of inclusive boxes.
        pixel_convention: 'exclusive' draws MMDetection's boxes, which end behind their last pixel;
            'inclusive' draws the authors', which end at it: the released drawing, see
            :func:`~labelenc_mm.detection.ground_truth.inclusive_boxes`.
    """

    mismatch_advice = (
        "Choose the outputs of the label encoder (strides 4, 8, 16, 32) that match the backbone's with "
        'labelenc.encoder_outputs'
    )
    init_advice = (
        'step 2 has no label encoding: set labelenc.init_from to the label_encoding.safetensors of '
        'step 1 (and do not give a checkpoint of step 1 to load_from, which would bring its backbone, '
        'neck and adapter as well)'
    )

    # Replaced where another form of the same function is compared.
    draw_maps = staticmethod(draw_label_maps)

    def __init__(
        self,
        stage: str,
        num_classes: int,
        neck: dict | list[dict] | None,
        encoder_outputs: Sequence[int] = (0, 1, 2, 3),
        backbone_channels: Sequence[int] | None = None,
        joint: bool = True,
        init_from: str | None = None,
        init_head: bool = True,
        init_neck: bool = True,
        encoder: dict | None = None,
        adapter: dict | None = None,
        loss_weight: float = 1.0,
        distance_begin: Limit | None = None,
        distance_end: Limit | None = None,
        distance_by_epoch: bool = True,
        label_source: str = 'box',
        pixel_offset: float | None = None,
        pixel_convention: str = 'exclusive',
    ) -> None:
        if stage not in STAGES:
            raise ValueError(
                f"labelenc.stage={stage!r} is unknown; write 'autoencode' for step 1 or 'supervise' "
                'for step 2'
            )
        if label_source not in ('box', 'mask'):
            raise ValueError(f"labelenc.label_source must be 'box' or 'mask', got {label_source!r}")
        if stage == 'autoencode' and init_from is not None:
            raise ValueError(
                "labelenc.init_from belongs to stage='supervise'; step 1 learns what it holds"
            )
        if stage == 'supervise' and not joint:
            raise ValueError(
                "labelenc.joint=False belongs to stage='autoencode'; step 2 trains a detector and "
                'needs the images'
            )
        is_step2 = stage == 'supervise'
        if distance_begin is None:
            distance_begin = 0 if is_step2 else 0.25
        if distance_end is None and is_step2:
            distance_end = DISTANCE_END[distance_by_epoch]
        super().__init__(distance_begin, distance_end, distance_by_epoch, loss_weight, init_from)
        self.stage = stage
        self.joint = joint
        self.num_classes = num_classes
        self.neck_config = neck
        self.step1_classes: list[str] | None = None
        self.init_head = init_head
        self.init_neck = init_neck
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
        return known

    @property
    def is_frozen(self) -> bool:
        """Whether encoder and pyramid are frozen, i.e. this is step 2."""
        return self.stage == 'supervise'

    @property
    def frozen_parts(self) -> Sequence[nn.Module]:
        """Encoder and pyramid in step 2."""
        return (self.encoder, self.pyramid) if self.is_frozen else ()

    def load(self, detector: Any) -> None:
        """Load what step 1 left; the detector's head and neck start from it, too."""
        assert self.init_from is not None
        load_label_encoding(detector, self.init_from)

    def load_frozen_parts(self, detector: Any) -> None:
        """Load encoder and pyramid alone."""
        assert self.init_from is not None
        load_label_encoding(detector, self.init_from, only_frozen=True)

    def is_distance_active(self) -> bool:
        """Whether the distance counts: never without images, else by the schedule."""
        return self.joint and super().is_distance_active()

    def targets(
        self, batch_inputs: Tensor, data_samples: Sequence[DetDataSample]
    ) -> tuple[Tensor, ...]:
        """Label features of a batch, see :meth:`encode`; of the images only the size matters."""
        height, width = batch_inputs.shape[-2:]
        return self.encode(data_samples, (height, width))

    def encode(
        self, data_samples: Sequence[DetDataSample], size: tuple[int, int]
    ) -> tuple[Tensor, ...]:
        """Encode the ground truth of N images into a feature pyramid.

        Args:
            data_samples: Samples whose ``gt_instances`` are in coordinates of the network input.
            size: (H, W) of the padded batch.

        Returns:
            Levels of shape (N, C, h_l, w_l), like the image features; without gradient in step 2.
        """
        augment = self.training and not self.is_frozen  # step 1 only, as in the released code
        device = self.encoder.stem.weight.device
        label_maps = [self.draw(sample, size, augment, device) for sample in data_samples]
        with (
            torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen),
            without_float16(device.type),
        ):
            features = self.encoder(label_maps)
            return tuple(self.pyramid([features[index] for index in self.encoder_outputs]))

    def draw(
        self,
        data_sample: DetDataSample,
        size: tuple[int, int],
        augment: bool = False,
        device: torch.device | str = 'cpu',
    ) -> tuple[Tensor, Tensor]:
        """Draw one image's ground truth: ``classes`` (K,) and ``maps`` (K, H, W)."""
        instances = data_sample.gt_instances
        labels = instances.labels.to(device)
        boxes = get_box_tensor(instances.bboxes).to(device)
        path = data_sample.metainfo.get('img_path', '<no img_path>')
        if boxes.shape[-1] != 4:
            raise ValueError(
                f'{path}: boxes have {boxes.shape[-1]} values; label maps need axis-aligned '
                '(x1, y1, x2, y2) boxes'
            )
        if self.pixel_convention == 'inclusive':
            boxes = inclusive_boxes(boxes, data_sample.metainfo)
        masks = None
        if self.label_source == 'mask':
            if 'masks' not in instances:
                raise ValueError(
                    f"{path}: label_source='mask', but the sample has no masks. Load them with "
                    "LoadAnnotations(with_mask=True) or set labelenc.label_source='box'"
                )
            masks = instances.masks
            if not isinstance(masks, Tensor):
                masks = masks.to_tensor(torch.bool, device)
            masks = masks[:, : size[0], : size[1]]
        scales = sample_label_scales(len(labels), device=device) if augment else None
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
            raise ValueError(f'{path}: {error}') from error


def sampling_offset(pixel_convention: str, pixel_offset: float | None = None) -> float:
    """Where maps are sampled inside a pixel, see :class:`LabelEncodingHead`.

    Raises:
        ValueError: Of an unknown convention, or of two options that exclude each other.
    """
    if pixel_convention not in ('exclusive', 'inclusive'):
        raise ValueError(
            f"labelenc.pixel_convention must be 'exclusive' or 'inclusive', got {pixel_convention!r}"
        )
    if pixel_convention == 'exclusive':
        return 0.5 if pixel_offset is None else float(pixel_offset)
    if pixel_offset:
        raise ValueError(
            f"labelenc.pixel_offset={pixel_offset} does not go with pixel_convention='inclusive', whose "
            'pixel centres lie at whole numbers; leave pixel_offset out'
        )
    return 0.0


class _Levels(BaseModule):
    """The pyramid of a detector without a neck: the encoder's outputs as they are."""

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(features)


def build_pyramid(
    neck: dict | list[dict] | None,
    in_channels: Sequence[int],
    backbone_channels: Sequence[int] | None = None,
) -> nn.Module:
    """Build a detector's neck once more for the channels of the label encoder.

    Args:
        neck: Config of the neck, or a list of configs in order, or None.
        in_channels: Channels of the encoder outputs that feed it.
        backbone_channels: Channels of the backbone's outputs, in whose place they are. By default the
            neck is taken to list them in their order, or, if it takes one of them, the last one.
    """
    if neck is None:
        if backbone_channels is not None and list(in_channels) != list(backbone_channels):
            raise ValueError(
                "without a neck the head gets the label encoder's outputs as they are, with channels "
                f"{list(in_channels)} in place of the backbone's {list(backbone_channels)}. Set "
                'labelenc.encoder.out_channels or labelenc.encoder_outputs so that they are the same'
            )
        return _Levels()
    configs = copy.deepcopy(list(neck) if isinstance(neck, Sequence) else [neck])
    if 'in_channels' in configs[0]:
        configs[0]['in_channels'] = _in_the_place_of(
            configs[0]['in_channels'], in_channels, backbone_channels
        )
    for config in configs:
        drop_pretrained(config)  # weights for image features
    return MODELS.build(configs if isinstance(neck, Sequence) else configs[0])


def _in_the_place_of(
    listed: int | Sequence[int], ours: Sequence[int], theirs: Sequence[int] | None
) -> int | list[int]:
    """``in_channels`` of a neck with our channels where it lists those of the backbone.

    Some necks list the deepest output first, and one that takes a single output need not take the last.
    """
    theirs = list(theirs or ())
    if not isinstance(listed, Sequence):
        return ours[theirs.index(listed)] if listed in theirs else ours[-1]
    if list(listed) == theirs[::-1]:
        return list(ours)[::-1]
    return list(ours)


def measure_width(
    pyramid: nn.Module, in_channels: Sequence[int], strides: Sequence[int], neck: Any
) -> int:
    """The number of channels of all levels that a pyramid makes of label features.

    Args:
        pyramid: The pyramid.
        in_channels: Channels of the encoder outputs that feed it.
        strides: Their strides.
        neck: Its config, which is asked where it does not run on a CPU.

    Raises:
        ValueError: There is no such number.
    """

    def run(image: Tensor) -> Sequence[Tensor]:
        height, width = image.shape[-2:]
        return pyramid(
            [
                image.new_zeros(1, channels, math.ceil(height / s), math.ceil(width / s))
                for channels, s in zip(in_channels, strides, strict=True)
            ]
        )

    return common_width(level_widths(pyramid, run), type(pyramid).__name__, neck)
