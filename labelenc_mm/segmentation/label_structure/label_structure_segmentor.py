"""Any EncoderDecoder of MMSegmentation with label structure (CVPR 2018) beside its own heads.

A mixin over the segmentor's own class: its own ``loss`` runs once, unchanged, while the features that
our heads read are recorded by name. Nothing of the segmentor moves; ours lives in the subtree
``label_structure``, and predictions do not know of it.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mmengine.model import ModuleList
from mmseg.models.segmentors import BaseSegmentor, DepthEstimator, EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from labelenc_mm.engine.companions import ModelWithCompanions
from labelenc_mm.engine.derived_models import derive_model, register_derived_models
from labelenc_mm.engine.finite_losses import StopIfNotFiniteMixin
from labelenc_mm.handover.declaration import HandsOver
from labelenc_mm.networks.blank_image import pass_blank_image
from labelenc_mm.networks.named_features import FeatureRecorder, as_list
from labelenc_mm.segmentation.data.label_maps import stack_label_maps
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead

PREFIX = 'label_structure'
"""Of our losses in the log; without 'loss', which would sum accuracies up."""

# The mixin stands before a segmentor class in the bases; type checkers see the segmentor.
if TYPE_CHECKING:
    from mmseg.models.segmentors import EncoderDecoder as _Segmentor
else:
    _Segmentor = object


class LabelStructureMixin(HandsOver, ModelWithCompanions, StopIfNotFiniteMixin, _Segmentor):
    """Adds label structure to the segmentor class that follows it in the bases.

    Args:
        label_structure: Config of a :class:`FrozenLabelDecoderHead` (the default ``type``) or
            :class:`FrozenLabelEncoderHead`, or a list of such. Beside the arguments of the head it has
            ``features``, one name or a list, as :mod:`labelenc_mm.networks.named_features` describes
            them; by default what enters the classifier of the decode head. ``num_classes`` and
            ``in_channels`` are filled in.
        kwargs: Of the segmentor.
    """

    stock_type: str
    companions = FrozenLabelHead.companions
    own_prefixes = ('label_structure.',)

    def __init__(self, *, label_structure: dict | list[dict], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not label_structure:
            raise ValueError(
                f'label_structure={label_structure!r} names no head; without one, use type '
                f'{self.stock_type!r}'
            )
        several = not isinstance(label_structure, dict)
        configs = [label_structure] if isinstance(label_structure, dict) else list(label_structure)
        configs = copy.deepcopy(configs)
        names = [as_list(config.pop('features', 'decode_head.classifier')) for config in configs]
        self._recorder = FeatureRecorder(self, [name for group in names for name in group])
        widths: dict[str, list[int]] = {}
        if any('in_channels' not in config for config in configs):
            widths = self._measure_channels()
        decode_head = self.decode_head
        if isinstance(decode_head, nn.ModuleList):  # a cascade
            decode_head = decode_head[-1]
        heads = []
        for config, group in zip(configs, names, strict=True):
            config.setdefault('type', 'FrozenLabelDecoderHead')
            config.setdefault('num_classes', self.num_classes)
            if config['num_classes'] != self.num_classes:
                raise ValueError(
                    f'label_structure.num_classes={config["num_classes"]}, but the decode head has '
                    f'{self.num_classes}; leave it out'
                )
            if decode_head.ignore_index is not None:
                config.setdefault('ignore_index', decode_head.ignore_index)
            if 'in_channels' not in config:
                config['in_channels'] = [width for name in group for width in widths[name]]
            of_all = any(name.endswith('.*') for name in group)
            number = len(as_list(config['in_channels'])) if of_all else len(group)
            config['in_index'] = list(range(number))
            heads.append(MODELS.build(config))
        self.label_structure = ModuleList(heads)
        self.head_names = [f'{PREFIX}_{i}' if several else PREFIX for i in range(len(heads))]
        self._features = names

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict:
        """The segmentor's losses and those of label structure.

        Args:
            inputs: (N, 3, H, W) images.
            data_samples: N samples with ``gt_sem_seg``.

        Returns:
            The segmentor's own losses under their own names; ours with the prefix
            ``label_structure.``, or ``label_structure_0.`` and so on for a list of heads.

        Raises:
            ValueError: Naming the file, if a label map has another size than its image or labels that
                are no class.
        """
        ignore_index = self.label_structure[0].ignore_index
        label_maps = stack_label_maps(
            data_samples, self.num_classes, ignore_index, tuple(inputs.shape[-2:])
        )
        with self.record_features() as features:
            losses = super().loss(inputs, data_samples)
        parts = zip(self.label_structure, features, self.head_names, strict=True)
        for head, head_features, prefix in parts:
            ours = head.loss_by_maps(head_features, label_maps)
            losses.update({f'{prefix}.{key}': value for key, value in ours.items()})
        return losses

    @contextmanager
    def record_features(self) -> Iterator[list[list[Tensor]]]:
        """Record, inside a ``with`` block, what each of our heads reads of the pass that runs there.

        Yields:
            A list that has one list of features a head when the block ends.
        """
        features_of_heads: list[list[Tensor]] = []
        with self._recorder.record() as features:
            yield features_of_heads
        for head, names in zip(self.label_structure, self._features, strict=True):
            read = [feature for name in names for feature in as_list(features[name])]
            if len(read) != len(head.in_index):
                raise ValueError(
                    f'{", ".join(names)} are {len(read)} features, label_structure.in_channels has '
                    f'{len(head.in_index)}; leave it out, or give one number a feature'
                )
            features_of_heads.append(read)

    def _measure_channels(self) -> dict[str, list[int]]:
        """Channels of the named features: of outputs by a pass over a blank image."""
        widths = {name: [width] for name, width in self._recorder.classifier_channels().items()}
        recorder = FeatureRecorder(self, [n for n in self._recorder.names if n not in widths])
        if not recorder.names:
            return widths

        def run(image: Tensor) -> dict[str, Any]:
            with recorder.record() as features:
                self.extract_feat(image)
            return features

        remedy = 'Give label_structure.in_channels, one number a feature'
        _, features = pass_blank_image(self, run, remedy)
        return widths | {n: [each.shape[1] for each in as_list(f)] for n, f in features.items()}


def label_structure_segmentor(cls: type[BaseSegmentor]) -> type[BaseSegmentor]:
    """Make the class with label structure of a segmentor class.

    Args:
        cls: A subclass of mmseg's ``EncoderDecoder`` that predicts classes.

    Returns:
        A new class ``LabelStructure<Name>``, not yet registered.

    Raises:
        TypeError: If the class is none of these.
    """
    reason = None
    if not issubclass(cls, EncoderDecoder):
        reason = (
            'it is no EncoderDecoder, beside whose backbone, neck and decode head ours could stand'
        )
    elif issubclass(cls, DepthEstimator):
        reason = 'it is no EncoderDecoder that predicts a class for every pixel, but depth'
    if reason is not None:
        raise TypeError(f'{cls.__name__} cannot have label structure: {reason}')
    return derive_model(cls, LabelStructureMixin, 'LabelStructure', 'label structure')


def register_label_structure_segmentors() -> None:
    """Register ``LabelStructure<Name>`` for every registered segmentor, refusals included."""
    register_derived_models(
        MODELS, BaseSegmentor, LabelStructureMixin, 'LabelStructure', label_structure_segmentor
    )
