"""Any MMDetection detector, label-encoded (LabelEnc, ECCV 2020).

A mixin over the detector's own class: image features are computed once, and the class's own ``loss``
runs on features that it receives through ``extract_feat``. Nothing of the detector moves; ours lives in
the subtree ``labelenc``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.models.mot import BaseMOTModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from torch import Tensor

from labelenc_mm.detection.introspection import count_feature_extractions
from labelenc_mm.detection.label_encoding import LABEL_ENCODING, describe
from labelenc_mm.detection.label_encoding_head import LabelEncodingHead
from labelenc_mm.detection.label_pass import (
    copy_samples,
    join,
    kept_head_statistics,
    label_side,
    pick,
    resting_head,
)
from labelenc_mm.engine.built_models import entry_of
from labelenc_mm.engine.companions import ModelWithCompanions
from labelenc_mm.engine.derived_models import derive_model, register_derived_models
from labelenc_mm.engine.finite_losses import StopIfNotFiniteMixin
from labelenc_mm.engine.own_random_numbers import own_random_numbers
from labelenc_mm.handover.declaration import HandsOver, Leaves

# Classes, by name because not every release has them, whose features could be handed over but whose
# head learns something else than classified boxes of the image.
_UNFIT = {
    'RPN': 'its head tells objects from background only, while object maps have classes',
    'MaskFormer': 'its pixel decoder belongs to the head, which so gets the outputs of the backbone as '
    'they are, of several widths, while one feature adaptation block serves all levels',
    'TwoStagePanopticSegmentor': 'it also learns stuff, while object maps hold boxes of things',
    'TridentFasterRCNN': 'its backbone makes three images of each, while object maps are drawn once',
    'GLIP': 'its head compares with texts, while object maps have a fixed list of classes',
    'LAD': 'it has a teacher of its own, which assigns the labels of the image',
}

# The mixin stands before a detector class in the bases; type checkers see the detector.
if TYPE_CHECKING:
    from mmdet.models.detectors import BaseDetector as _Detector
else:
    _Detector = object


class LabelEncMixin(HandsOver, ModelWithCompanions, StopIfNotFiniteMixin, _Detector):
    """Adds LabelEnc to the detector class that follows it in the bases.

    Args:
        labelenc: Options of :class:`LabelEncodingHead`, or of another subclass of
            :class:`FeatureSupervisionHead` as its ``type`` says, except those that the detector knows.
        kwargs: Of the detector, handed on as they are.
    """

    stock_type: str
    own_prefixes = ('labelenc.',)

    def __init__(self, *, labelenc: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._given_features: Sequence[Tensor] | None = None
        self.companions = self.companions_of({'labelenc': labelenc})
        options = {'type': 'LabelEncodingHead', **labelenc}
        known_from = getattr(entry_of(options, MODELS), 'known_from', None)
        if known_from is None:
            raise TypeError(
                f'labelenc.type={options["type"]!r} is no subclass of FeatureSupervisionHead; leave it '
                "out for LabelEnc, or write 'FeatureDistillationHead' for a teacher detector"
            )
        with own_random_numbers(draws_its_own(options)):
            known = known_from(self, kwargs.get('neck'), options)
            self.labelenc = MODELS.build({**options, **known})
        self.labelenc.draws_its_own = draws_its_own(options)
        if not self.labelenc.joint:
            # At rest for the whole training: neither DDP nor the optimizer has to wait for them.
            for part in (self.backbone, getattr(self, 'neck', None), self.labelenc.adapter):
                if part is not None:
                    part.requires_grad_(False)

    @classmethod
    def companions_of(cls, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The hook; where the encoding learns, the validation of both branches."""
        labelenc = config.get('labelenc') or {}
        companions: dict[str, Any] = {'default_hooks': {'labelenc': {'type': 'mmdet.LabelEncHook'}}}
        stage = LabelEncodingHead.stages.get(labelenc.get('stage', ''))
        is_off = labelenc.get('label_share') == 0
        if stage is not None and stage.learns_labels and not is_off:
            companions['val_cfg'] = {'type': 'mmdet.LabelEncValLoop'}
        if labelenc.get('joint', True) and not is_off:
            companions['find_unused_parameters'] = True  # the adapter rests with the distance
        return companions

    def init_weights(self) -> None:
        """Initialise as the detector does; step 2 then takes over what step 1 learned."""
        super().init_weights()
        self.labelenc.load(self)

    def leaves(self, metainfo: Mapping[str, Any]) -> Leaves | None:
        """The label encoding, where it has learned."""
        if not self.labelenc.learns_labels:
            return None
        return Leaves(LABEL_ENCODING, describe(self, metainfo.get('classes')))

    @property
    def not_exported(self) -> str | None:
        """Why there is no detector to export: step 1 has seen no images."""
        if self.labelenc.joint:
            return None
        return 'with labelenc.joint=False backbone and neck are untrained. Export the detector of step 2'

    def extract_feat(self, batch_inputs: Tensor) -> Sequence[Tensor]:
        """The detector's features, or those that the running pass was given."""
        if self._given_features is not None:
            return self._given_features
        return super().extract_feat(batch_inputs)

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample]) -> dict:
        """The detector's losses and those of LabelEnc's running stage.

        Args:
            batch_inputs: (N, 3, H, W) images.
            batch_data_samples: N samples with ground truth.

        Returns:
            The detector's own losses under their own names (not where labels alone are learned from); where
            the encoding learns those of the head on label features, prefix ``ae_``; ``loss_labelenc`` and
            correlations while the distance counts.
        """
        head = self.labelenc
        head.check_is_learned()
        sees_images = head.sees_images()
        if head.is_about_to_begin_images():
            head.begin_images(self, batch_inputs, batch_data_samples)
        is_active = head.is_distance_active()
        learned, others = head.share_images(len(batch_data_samples))
        others = others if is_active else []
        # Before the head sees the samples, which some heads rewrite in place, and before the images
        # are under way: drawing waits for the boxes, on a GPU for all work that was given before.
        targets = self._targets(learned, batch_inputs, batch_data_samples)
        with torch.no_grad():
            other_targets = self._targets(others, batch_inputs, batch_data_samples)
        image_features = self.extract_feat(batch_inputs) if sees_images else ()
        label_samples = copy_samples([batch_data_samples[index] for index in learned])
        losses = {}
        if sees_images:
            with self._given(image_features):
                losses = super().loss(batch_inputs, batch_data_samples)
        if learned:
            # Without images the statistics are the label features' own.
            statistics = kept_head_statistics(self) if sees_images else nullcontext()
            is_trained = head.labels_train_head or not sees_images
            learning = nullcontext() if is_trained else resting_head(self)
            numbers = head.numbers_of_label_pass(batch_inputs.device)
            with self._given(targets), statistics, learning, numbers:
                label_losses = super().loss(pick(batch_inputs, learned), label_samples)
            losses.update(label_side(label_losses, head.label_loss_weight))
        if is_active and (learned or others):
            compared = [pick(level, learned + others) for level in image_features]
            losses.update(head.loss(compared, join(targets, other_targets)))
        if sees_images:
            losses.update(head.further_losses(batch_inputs, image_features))
        return losses

    def _targets(
        self, indices: Sequence[int], batch_inputs: Tensor, data_samples: list[DetDataSample]
    ) -> Sequence[Tensor]:
        """Target features of some images; of none nothing."""
        if not indices:
            return ()
        samples = [data_samples[index] for index in indices]
        return self.labelenc.targets(pick(batch_inputs, indices), samples)

    def reconstruct(
        self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample]
    ) -> list[DetDataSample]:
        """Predict from the label features of the ground truth: how much the encoding keeps of it.

        Args:
            batch_inputs: (N, 3, H, W) images, of which only the size matters.
            batch_data_samples: N samples whose ground truth is in network coordinates.

        Returns:
            The samples with ``pred_instances``, as ``predict`` gives them.
        """
        features = self.labelenc.encode(batch_data_samples, tuple(batch_inputs.shape[-2:]))
        with self._given(features):
            return self.predict(batch_inputs, batch_data_samples)

    @contextmanager
    def _given(self, features: Sequence[Tensor]) -> Iterator[None]:
        """Let the class's own methods see these features in place of the image's."""
        self._given_features = features
        try:
            yield
        finally:
            self._given_features = None


def draws_its_own(labelenc: Mapping[str, Any]) -> bool:
    """Whether the detector starts from the very weights that it has without us, at the same seed.

    So that a method that is switched off trains bit-equal to the stock detector, and one that is on can be
    compared with it in pairs. Step 1 and 2 draw in between, as they always have.
    """
    return labelenc.get('stage') == 'one-run' or labelenc.get('loss_weight') == 0


def labelenc_detector(cls: type[BaseDetector]) -> type[BaseDetector]:
    """Make the label-encoded class of a detector class; usable as a decorator-like call.

    Args:
        cls: A detector whose ``loss`` calls ``self.extract_feat`` once.

    Returns:
        A new class ``LabelEnc<Name>``, not yet registered.

    Raises:
        TypeError: If features cannot be handed to the class through ``extract_feat``, or object maps do
            not hold what it learns.
    """
    for base in cls.__mro__:
        if base.__name__ in _UNFIT:
            raise TypeError(f'{cls.__name__} cannot be label-encoded: {_UNFIT[base.__name__]}')
    if not issubclass(cls, BaseDetector):
        raise TypeError(
            f'{cls.__name__} cannot be label-encoded: it tracks objects through videos, while object maps '
            'are of single images; train its detector by itself'
        )
    own, others = count_feature_extractions(cls)
    if (own, others) != (1, 0):
        raise TypeError(
            f'{cls.__name__} cannot be label-encoded: its loss calls self.extract_feat {own} times '
            f"and another model's {others} times, where exactly one call of its own is needed to "
            'hand label features to the head; docs/add_a_detector.md says what can be done'
        )
    return derive_model(cls, LabelEncMixin, 'LabelEnc', 'label encoding')


def register_labelenc_detectors() -> None:
    """Register ``LabelEnc<Name>`` for every registered detector, refusals included; trackers, too."""
    bases = (BaseDetector, BaseMOTModel)
    register_derived_models(MODELS, bases, LabelEncMixin, 'LabelEnc', labelenc_detector)
