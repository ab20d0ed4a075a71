"""The base of the two auxiliary heads of label structure: one half of a label autoencoder, frozen."""

from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from labelenc_mm.engine.companions import HasCompanions
from labelenc_mm.handover.frozen_part import FrozenPart
from labelenc_mm.labels import VOID
from labelenc_mm.segmentation.data.label_maps import stack_label_maps
from labelenc_mm.segmentation.label_structure.label_code import LABEL_AUTOENCODER, load_label_code


class FrozenLabelHead(HasCompanions, FrozenPart):
    """An auxiliary head around one half of a label autoencoder.

    It serves below ``label_structure`` (features by name, see :class:`LabelStructureMixin`) and as a
    plain ``auxiliary_head`` of any mmseg segmentor (``in_index`` into the features that those get). It
    is never run for predictions.

    Args:
        coder: The half, built by the subclass.
        in_channels: Channels of the features.
        in_index: Which of the features that it is given it reads.
        init_from: ``label_autoencoder.safetensors``; read when the training starts.
        freeze: Whether the half keeps its weights.
        random_init: Whether the half starts from random weights, without a file.
        ignore_index: Label of void pixels.
    """

    artefact = LABEL_AUTOENCODER
    companions = {'default_hooks': {'label_structure': {'type': 'mmseg.LabelStructureHook'}}}
    part: str
    """'encoder' or 'decoder': which half."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.taken = (cls.part,)

    def __init__(
        self,
        coder: Any,
        in_channels: int | Sequence[int],
        in_index: int | Sequence[int],
        init_from: str | None = None,
        freeze: bool = True,
        random_init: bool = False,
        ignore_index: int = VOID,
    ) -> None:
        super().__init__(init_from)
        if random_init and init_from is not None:
            raise ValueError(
                f'{type(self).__name__}: random_init=True and init_from={init_from!r} exclude each '
                'other; drop one'
            )
        self.in_channels = _as_tuple(in_channels)
        self.in_index = _as_tuple(in_index)
        if len(self.in_channels) != len(self.in_index):
            raise ValueError(
                f'{type(self).__name__}: {len(self.in_channels)} in_channels for '
                f'{len(self.in_index)} features'
            )
        self.learns = not freeze
        self.random_init = random_init
        self.ignore_index = ignore_index
        self.num_classes: int = coder.num_classes
        setattr(self, self.part, coder)
        self._has_logged_resize = False
        self.freeze()

    @property
    def coder(self) -> Any:
        """The half of the autoencoder."""
        return getattr(self, self.part)

    @property
    def missing(self) -> str:
        """What is missing where the half is not learned."""
        return (
            f'{type(self).__name__} has no label {self.part}: set init_from to the '
            'label_autoencoder.safetensors of a trained LabelAutoEncoder, or random_init=True for '
            'the ablation'
        )

    def init_weights(self) -> None:
        """Initialise; the half takes over what the autoencoder learned."""
        super().init_weights()
        self.load()

    def take(self, owner: nn.Module, again: bool = False) -> None:
        """Load the half; nothing else starts from the file."""
        assert self.init_from is not None
        self.metadata = load_label_code(self.part, self.coder, self.init_from)

    def check_is_learned(self) -> None:
        """Refuse a half that was never learned, unless it is to be random.

        Segmentors do not initialise heads in a list of auxiliary heads: there, the hook calls
        :meth:`load` before the training, or this does so.
        """
        if not self._has_checked:
            self.load()
            if self.random_init:
                self.mark_learned()
        super().check_is_learned()

    def loss(
        self, inputs: Sequence[Tensor], batch_data_samples: Sequence[SegDataSample], train_cfg: Any
    ) -> dict[str, Tensor]:
        """The losses as mmseg asks an auxiliary head for them.

        Args:
            inputs: Features of the segmentor, each (N, c, h, w).
            batch_data_samples: N samples with ``gt_sem_seg``.
            train_cfg: Ignored.

        Returns:
            Losses, and what else goes to the log.
        """
        self.tell_missing()
        owner = 'model.auxiliary_head'
        label_maps = stack_label_maps(
            batch_data_samples, self.num_classes, self.ignore_index, owner=owner
        )
        return self.loss_by_maps(inputs, label_maps)

    def loss_by_maps(self, inputs: Sequence[Tensor], label_maps: Tensor) -> dict[str, Tensor]:
        """The losses for (N, H, W) label maps that have been checked."""
        raise NotImplementedError

    def select(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The features that the head reads, with their channels checked."""
        features = []
        for index, channels in zip(self.in_index, self.in_channels, strict=True):
            if not -len(inputs) <= index < len(inputs):
                raise ValueError(
                    f'{type(self).__name__}: in_index={index}, but there are {len(inputs)} features (0 '
                    f'to {len(inputs) - 1})'
                )
            if inputs[index].shape[1] != channels:
                raise ValueError(
                    f'{type(self).__name__}: feature {index} has {inputs[index].shape[1]} channels, '
                    f'in_channels says {channels}'
                )
            features.append(inputs[index])
        return features

    def log_resize(self, found: Sequence[int], wanted: Sequence[int], what: str) -> None:
        """Say once that a feature does not have the size of the code."""
        if self._has_logged_resize:
            return
        self._has_logged_resize = True
        print_log(
            f'{type(self).__name__}: {what} of size {tuple(found)} is resized to {tuple(wanted)}',
            'current',
        )


def _as_tuple(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
