"""Both steps of LabelEnc in one run, a stage of the label encoding head."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from torch import Tensor, nn

from labelenc_mm.detection.feature_supervision_head import DISTANCE_END, DISTANCE_OPTIONS
from labelenc_mm.detection.label_encoding import start_neck
from labelenc_mm.detection.label_encoding_head import LabelEncodingHead
from labelenc_mm.detection.label_encoding_steps import OF_STEP_1, OF_STEP_2
from labelenc_mm.engine.own_random_numbers import own_generator, own_random_numbers, own_seed
from labelenc_mm.engine.schedule import Limit, TrainingWindow, training_progress
from labelenc_mm.labels import sample_object_scales
from labelenc_mm.networks import likeness_of_images

# Of small detectors on PASCAL VOC: 0.99 from random weights, 0.93 where labels alone had diverged, 0.2 to 0.5
# where they had taught something in six epochs.
_ALIKE = 0.9


@MODELS.register_module()
class OneRunLabelEncodingHead(LabelEncodingHead):
    """Both steps in one training: the function is learned before, or beside, the detector that it supervises.

    Before (``image_begin``): encoder, pyramid and head learn from labels alone, as in a step 1 of the
    reconstruction loss only (Table 2 and 5), which costs less than a stock iteration. Then the images begin,
    and the rest is step 2.

    Beside (``image_begin=None``): of every batch a share of the images, drawn anew, passes through the label
    branch, too: encoder, pyramid and the detector's head on label features. What the paper trains in two
    steps (sec. 3.2 and 3.3) costs the more the larger the share is. Step 1 is the case of all images, a head
    that learns from label features, and a distance without end.

    Args:
        image_begin: When the images begin, a limit as those of the distance, by default after a fifth; None
            or 0 for with the labels. Until then the labels of all images pass through the label branch, the
            head learns from them, and no image is looked at. Then the neck starts from the pyramid, as in
            step 2, unless the training has started from a whole detector (``load_from``), and
            :class:`.LabelEncHook` has a linear warm-up of the learning rate run again.
        label_share: Share of the images of a batch that are compared, and that pass through the label branch
            where it is beside the images. Where that is less than one image a process, one does in every so
            many iterations, and its losses count for as many (which optimizers that adapt to the size of
            gradients undo: the label branch then learns less often). The distance is an average, the noisier
            the fewer images it is of: give ``loss_weight`` the same number. With 0 nothing of ours takes
            part: the training is that of the stock detector, bit by bit.
        label_loss_weight: Weight of the head's losses on label features, which are averages over these
            images and do not depend on the share. Where they train encoder and pyramid alone, an optimizer
            that adapts to the size of gradients undoes it. Positive, for they alone train the encoder.
        labels_train_head: Whether the head learns from label features beside images, too, as in step 1. By
            default these train encoder and pyramid alone, to be read by a head that learns from images: what
            is left of ours for the detector is the distance.
        compare_all: Whether the distance counts on all images, not only on that share. The others are encoded
            as in step 2: drawn at full values, without gradients, by encoder and pyramid in evaluation mode.
        distance_begin: When the distance starts to count, by default with the images, or after a quarter, as
            in step 1, where these begin with the labels.
        distance_end: When it stops, by default for the last epoch or ninth, as in step 2.
        distance_by_epoch: Whether int limits count epochs (else iterations).
        detach_end: Until when the adapter alone learns from the distance, and the image features do not
            feel it; None for from the first on. A limit as those of the distance, between them.
        label_end: When the label branch ends, a limit likewise, by default where the images begin, or never
            where these begin with the labels. From then on all is as in step 2: encoder and pyramid rest, no
            label features pass the head, and what is compared is encoded as ``compare_all`` does the others.
        options: As in :class:`LabelEncodingHead`.
    """

    stage = 'one-run'
    step = 'both steps in one run'
    learns_labels = True
    learns = True
    is_clipped_apart = True
    foreign = {**OF_STEP_1, **OF_STEP_2}

    def __init__(
        self,
        label_share: float = 1.0,
        label_loss_weight: float = 1.0,
        labels_train_head: bool = False,
        compare_all: bool = False,
        distance_begin: Limit | None = None,
        distance_end: Limit | None = None,
        distance_by_epoch: bool = True,
        image_begin: Limit | None = 0.2,
        detach_end: Limit | None = None,
        label_end: Limit | None = None,
        **options: Any,
    ) -> None:
        if not 0 <= label_share <= 1:
            raise ValueError(f'labelenc.label_share={label_share} is no share: give 0 to 1')
        if label_loss_weight <= 0:
            raise ValueError(
                f'labelenc.label_loss_weight={label_loss_weight} must be positive: these losses alone train '
                'the encoder. labelenc.label_share=0 switches the method off'
            )
        if label_share and not (options.get('loss_weight', 1) or labels_train_head or image_begin):
            raise ValueError(
                'labelenc.loss_weight=0 leaves nothing of the label branch for the detector, whose head '
                'learns from images alone: set labelenc.label_share=0, which switches it off, '
                'labelenc.labels_train_head=True, or labelenc.image_begin, before which the head learns from '
                'labels'
            )
        begin, end, by_epoch = DISTANCE_OPTIONS
        names = ('labelenc.image_begin', 'the end of the training', by_epoch)
        images = TrainingWindow(image_begin or 0, None, distance_by_epoch, names)
        super().__init__(
            distance_begin=(image_begin or 0.25) if distance_begin is None else distance_begin,
            distance_end=DISTANCE_END[distance_by_epoch] if distance_end is None else distance_end,
            distance_by_epoch=distance_by_epoch,
            **options,
        )
        self.label_share = label_share
        self.share_weight = label_loss_weight
        self.labels_train_head = labels_train_head
        self.compare_all = compare_all
        self.image_window = images if image_begin and label_share else None
        self.detach_windows: tuple[TrainingWindow, TrainingWindow] | None = None
        if detach_end is not None:
            distance, name = self.distance_window, 'labelenc.detach_end'
            detached, felt = (begin, name, by_epoch), (name, end, by_epoch)
            self.detach_windows = (
                TrainingWindow(distance.begin, detach_end, distance_by_epoch, detached),
                TrainingWindow(detach_end, distance.end, distance_by_epoch, felt),
            )
        self.label_window: TrainingWindow | None = None
        if self.image_window is None or label_end not in (None, image_begin):
            names = ('labelenc.image_begin', 'labelenc.label_end', by_epoch)
            self.label_window = TrainingWindow(images.begin, label_end, distance_by_epoch, names)
        self.has_begun = False
        self.batch_size = 0
        self.rarity = 1.0
        self.iteration: int | None = None
        self.drawings = 0
        if label_share == 0 and self.distillation is not None:
            raise ValueError(
                'labelenc.label_share=0 switches everything off, labelenc.distillation, too: leave it '
                "out, or for a teacher alone write labelenc.type='FeatureDistillationHead'"
            )
        if label_share == 0:
            self.learns_labels = self.draws_labels = False
            self.mark_learned()  # for a resume, which tells the steps apart by it
            self.requires_grad_(False)

    def check_is_learned(self) -> None:
        """It learns."""

    @property
    def has_distance(self) -> bool:
        """Whether the distance counts in some part of the training: never without a label branch."""
        return self.label_share > 0 and super().has_distance

    @property
    def has_labels_beside_images(self) -> bool:
        """Whether the label branch goes on once the images have begun, or begins with them."""
        return super().has_labels_beside_images and self.label_window is not None

    def sees_images(self) -> bool:
        """Whether the images have begun."""
        return self.image_window is None or self.image_window.is_active()

    def is_distance_active(self) -> bool:
        """As of the class above; not before there are images to compare."""
        return super().is_distance_active() and self.sees_images()

    def is_about_to_begin_images(self) -> bool:
        """As of the class above; a checkpoint with images, or a whole detector, has begun already."""
        if self.image_window is None or self.has_begun or not self.image_window.is_active():
            return False
        self.has_begun = self.is_learned  # on a GPU: not to be asked in every iteration
        return not self.has_begun

    def begin_images(
        self, owner: nn.Module, batch_inputs: Tensor, data_samples: Sequence[DetDataSample]
    ) -> None:
        """Have the neck start from the pyramid; warn of one that tells no image from another."""
        start_neck(owner)
        self.mark_learned()  # in every checkpoint, for a resume
        samples = [sample for sample in data_samples if len(sample.gt_instances)]
        if len(samples) < 2:
            return
        with torch.no_grad():
            likeness = likeness_of_images(self.targets(batch_inputs, samples))
        if likeness > _ALIKE:
            print_log(
                'The images begin, but labels alone have taught next to nothing: label features of '
                f'different images correlate at {likeness:.3f} (1: they are the same), and would pull all '
                'images towards the same features. Losses ae_* that have grown by orders of magnitude ask '
                'for a lower learning rate or clipped gradients, others for more epochs of labels '
                '(labelenc.image_begin)',
                'current',
                logging.WARNING,
            )

    def count_active(self) -> int:
        """As of the class above; so are the label branch and image features that feel the distance."""
        active = super().count_active()
        if not active or not self.sees_images():
            return 0
        return active + self.has_label_pass() + (not self.is_detached())

    def has_label_pass(self) -> bool:
        """As of the class above: until ``label_end``."""
        return self.label_window is not None and self.label_window.is_active()

    def is_detached(self) -> bool:
        """Whether the adapter alone learns from the distance, before image features feel it.

        Raises:
            ValueError: ``detach_end`` is not between begin and end of the distance.
        """
        if self.detach_windows is None:
            return False
        is_detached, _ = (window.is_active() for window in self.detach_windows)
        return is_detached

    def share_images(self, number: int) -> tuple[list[int], list[int]]:
        """Draw the images that pass through the label branch; the others if they are compared."""
        if self.label_share == 0:
            return [], []
        # Last batches may have another size on every process; whether there is an image must not differ.
        self.batch_size = max(self.batch_size, number)
        self.iteration = iteration = training_progress('labelenc.label_share')['iter']
        # Limits that cannot be are refused here, not when their time has come.
        self.is_detached(), self.has_label_pass()
        self.drawings = 0
        share = self.label_share * self.batch_size
        if self.shuffle_labels and share < 2 and not self.compare_all:
            raise ValueError(
                f'labelenc.shuffle_labels=True compares two images at least, and label_share='
                f'{self.label_share} of {self.batch_size} images are fewer: set labelenc.compare_all=True, '
                'or a larger share'
            )
        if not self.sees_images():
            self.rarity, self.label_loss_weight = 1.0, self.share_weight
            return list(range(number)), []
        # Where less than one image is due, one that comes counts for the iterations without.
        self.rarity = max(1.0, 1 / share)
        self.label_loss_weight = self.share_weight * self.rarity
        count = int(share * (iteration + 1)) - int(share * iteration)
        order = torch.randperm(number, generator=own_generator(iteration, 0)).tolist()
        learned, others = sorted(order[:count]), sorted(order[count:]) if self.compare_all else []
        return (learned, others) if self.has_label_pass() else ([], learned + others)

    def draw_scales(self, count: int, device: torch.device | str) -> Tensor:
        """The factors of an image's objects, of an iteration's numbers, too."""
        if self.iteration is None:  # drawn outside of a training
            return super().draw_scales(count, device)
        self.drawings += 1
        generator = own_generator(self.iteration, self.drawings)
        return sample_object_scales(count, generator=generator).to(device)

    def numbers_of_label_pass(self, device: torch.device) -> AbstractContextManager:
        """An iteration's own, so that the samplers of images draw as they do without us."""
        assert self.iteration is not None
        self.drawings += 1
        gpus = [device.index] if device.type == 'cuda' else []
        return own_random_numbers(gpus=gpus, seed=own_seed(self.iteration, self.drawings))

    def loss(
        self, image_features: Sequence[Tensor], targets: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """The distance; until ``detach_end`` it stops at the adapter."""
        if self.is_detached():
            image_features = [level.detach() for level in image_features]
        losses = super().loss(image_features, targets)
        if not self.compare_all:
            losses['loss_labelenc'] = losses['loss_labelenc'] * self.rarity
        return losses
