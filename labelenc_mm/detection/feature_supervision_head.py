"""Supervision of a detector's features by target features while it trains (LabelEnc, ECCV 2020, Eq. 10).

The targets are label features (:class:`LabelEncodingHead`) or, for the comparison of Table 6, a trained
detector's (:class:`FeatureDistillationHead`); adapter, distance and schedule are the same.

Shape legend: N images, C channels of the neck, (H, W) size of the padded batch in pixels, (h_l, w_l) size
of pyramid level l.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from labelenc_mm.engine.own_random_numbers import own_random_numbers
from labelenc_mm.engine.schedule import Limit, TrainingWindow
from labelenc_mm.handover.frozen_part import FrozenPart
from labelenc_mm.networks import FeatureAdaptationBlock, feature_distance

# The network itself knows no toolbox.
MODELS.register_module(module=FeatureAdaptationBlock)

DISTANCE_END: dict[bool, Limit] = {True: -1, False: 8 / 9}
"""Where the distance ends while a detector trains, by epoch or not (sec. 4.1: 10k of 90k iterations)."""

DISTANCE_OPTIONS = (
    'labelenc.distance_begin',
    'labelenc.distance_end',
    'labelenc.distance_by_epoch',
)


class FeatureSupervisionHead(FrozenPart):
    """Base of the ``labelenc`` subtree of a detector: adapter, distance and schedule.

    Args:
        distance_begin: When the distance starts to count, see :class:`.TrainingWindow`.
        distance_end: When it stops.
        distance_by_epoch: Whether int limits count epochs (else iterations).
        loss_weight: Weight of the distance. With 0 neither targets nor distance are computed.
        init_from: File that the source of the targets is loaded from when training starts.
        standardize: What is brought to mean 0 and variance 1 before both sides are compared: each 'image'
            of a level, or each 'channel' over the images of the batch.

    Raises:
        ValueError: ``standardize`` is neither.
    """

    loaded_flag = 'encoder_is_loaded'
    draws_labels = False
    """Whether the targets are made of object maps, so that they can be looked at and reconstructed."""
    learns_labels = False
    """Whether targets pass the detector's head, for what they come from to learn."""
    joint = True
    """Whether the detector learns from images."""
    batch_size = 0
    """Images of a batch of one process, as far as somebody has said it."""
    label_loss_weight = 1.0
    """Weight of the head's losses on targets that pass it."""
    labels_train_head = True
    """Whether these losses train the head, too, not only what the targets come from."""
    image_window: TrainingWindow | None = None
    """The part of the training that has images, where it begins later than the training."""
    halved_levels = 0
    """How many of the finest levels are compared at half their resolution."""
    draws_its_own = False
    """Whether the detector starts from the weights that it has without us, at the same seed."""
    is_clipped_apart = False
    """Whether gradients of the subtree do not count in the norm by which the detector's are clipped."""
    # What to do where the levels of the two sides differ.
    mismatch_advice: str
    # Replaced where another form of the same function is compared.
    distance: Callable[..., tuple[Tensor, Tensor]] = staticmethod(feature_distance)

    def __init__(
        self,
        distance_begin: Limit,
        distance_end: Limit | None,
        distance_by_epoch: bool = True,
        loss_weight: float = 1.0,
        init_from: str | None = None,
        standardize: str = 'image',
    ) -> None:
        if standardize not in ('image', 'channel'):
            raise ValueError(
                f"labelenc.standardize must be 'image' or 'channel', got {standardize!r}"
            )
        super().__init__(init_from)
        self.loss_weight = loss_weight
        if standardize == 'channel':
            self.distance = partial(feature_distance, by_channel=True)
        self.distance_window = TrainingWindow(
            distance_begin, distance_end, distance_by_epoch, DISTANCE_OPTIONS
        )

    @classmethod
    def known_from(cls, detector: Any, neck: Any, given: dict) -> dict:
        """The constructor's arguments that the detector knows.

        Args:
            detector: The detector, complete except for its subtree ``labelenc``.
            neck: Config of its neck.
            given: What the config says.
        """
        raise NotImplementedError

    def targets(
        self, batch_inputs: Tensor, data_samples: Sequence[DetDataSample]
    ) -> Sequence[Tensor]:
        """Target features of a batch.

        Args:
            batch_inputs: (N, 3, H, W) images.
            data_samples: Samples whose ``gt_instances`` are in coordinates of the network input.

        Returns:
            Levels of shape (N, C, h_l, w_l).
        """
        raise NotImplementedError

    def init_weights(self) -> None:
        """Initialise."""
        # Models are built on the CPU, and initialised where mmengine has moved them.
        gpus = {p.device.index for p in self.parameters() if p.device.type == 'cuda'}
        with own_random_numbers(self.draws_its_own, sorted(gpus)):
            super().init_weights()

    def share_images(self, number: int) -> tuple[list[int], list[int]]:
        """Which images of a batch have target features in this iteration.

        Args:
            number: Images of the batch.

        Returns:
            Indices of those whose targets also pass the head, and of others that are only compared while
            the distance counts. Of batches of one size every process draws as many; of smaller last ones
            at least one where others draw any.
        """
        everything = list(range(number))
        return (everything, []) if self.learns_labels else ([], everything)

    def numbers_of_label_pass(self, device: torch.device) -> AbstractContextManager:
        """The random numbers that the head's samplers draw while targets pass it: here those of images.

        Args:
            device: Of the images.
        """
        return nullcontext()

    def complete(self, channels: int, adapter: dict | None) -> None:
        """End of the constructor: build the adapter, freeze what does not learn.

        Args:
            channels: Channels C of all levels.
            adapter: Another block's type in place of :class:`~labelenc_mm.networks.FeatureAdaptationBlock`.
        """
        self.adapter = MODELS.build(
            {'type': 'FeatureAdaptationBlock', 'channels': channels, **(adapter or {})}
        )
        self.freeze()

    @property
    def has_distance(self) -> bool:
        """Whether the distance counts in some part of the training."""
        return self.joint and self.loss_weight != 0

    @property
    def has_labels_beside_images(self) -> bool:
        """Whether images and targets pass the head in one iteration."""
        return self.learns_labels and self.joint

    def sees_images(self) -> bool:
        """Whether the detector learns from images at the iteration that the MessageHub tells."""
        return self.joint

    def is_about_to_begin_images(self) -> bool:
        """Whether this iteration is the first one with images, after some without."""
        return False

    def begin_images(
        self, owner: nn.Module, batch_inputs: Tensor, data_samples: Sequence[DetDataSample]
    ) -> None:
        """What is to be done before that iteration.

        Args:
            owner: The detector.
            batch_inputs: (N, 3, H, W) images of that iteration.
            data_samples: Their samples.
        """

    def has_label_pass(self) -> bool:
        """Whether targets pass the head beside images at the iteration that the MessageHub tells."""
        return self.has_labels_beside_images

    def is_distance_active(self) -> bool:
        """Whether the distance counts at the iteration that the MessageHub tells."""
        return self.has_distance and self.distance_window.is_active()

    def count_active(self) -> int:
        """How many parts of the supervision are at work at the iteration that the MessageHub tells.

        For benchmarks, which measure where most of them are. At least one is, except where the training has
        a distance and it does not count.
        """
        return int(self.is_distance_active() or not self.has_distance)

    def loss(
        self, image_features: Sequence[Tensor], targets: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """The distance between adapted image features and target features (Eq. 10).

        Gradients reach the adapter and the image features, never the targets.

        Args:
            image_features: Levels of shape (N, C, h_l, w_l) from the detector's neck.
            targets: Levels of the same shapes from :meth:`targets`.

        Returns:
            ``loss_labelenc`` and, for the log, ``labelenc_corr_l``, the correlation of level l.
        """
        shapes = [[tuple(level.shape[1:]) for level in side] for side in (image_features, targets)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f'image features have (channels, height, width) {shapes[0]}, their targets '
                f'{shapes[1]}. {self.mismatch_advice}'
            )
        adapted = self.adapter(self.reduce(image_features))
        reduced = self.reduce([level.detach() for level in targets])
        distance, correlations = self.distance(adapted, reduced)
        losses = {'loss_labelenc': self.loss_weight * distance}
        losses.update({f'labelenc_corr_{i}': rho for i, rho in enumerate(correlations)})
        return losses

    def further_losses(
        self, batch_inputs: Tensor, image_features: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Those of another supervision of the same image features, beside this one's: here none."""
        return {}

    def reduce(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The finest levels as the means of 2x2 cells, as far as :attr:`halved_levels` says."""
        return [
            avg_pool2d(level, 2, ceil_mode=True, count_include_pad=False)
            if index < self.halved_levels
            else level
            for index, level in enumerate(levels)
        ]
