"""What the two auxiliary heads of label structure share: one half of a label autoencoder, frozen."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.engine.companions import HasCompanions
from labelenc_mm.handover.checkpoint_fit import lacks_tensors
from labelenc_mm.labels import VOID
from labelenc_mm.segmentation.data.label_maps import stack_label_maps
from labelenc_mm.segmentation.label_structure.label_code import load_label_code


class FrozenLabelHead(HasCompanions, BaseModule):
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

    companions = {'default_hooks': {'label_structure': {'type': 'mmseg.LabelStructureHook'}}}
    part: str
    """'encoder' or 'decoder': which half."""

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
        super().__init__()
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
        self.init_from = init_from
        self.freeze = freeze
        self.random_init = random_init
        self.ignore_index = ignore_index
        self.num_classes: int = coder.num_classes
        self.metadata: dict[str, Any] = {}
        setattr(self, self.part, coder)
        # Part of every checkpoint: says after a resume, without the file, whether the half is learned.
        self.register_buffer('is_loaded', torch.zeros((), dtype=torch.int64))
        self._has_checked = False
        self._has_logged_resize = False
        if freeze:
            coder.requires_grad_(False)
        self.train()

    @property
    def coder(self) -> Any:
        """The half of the autoencoder."""
        return getattr(self, self.part)

    @property
    def is_learned(self) -> bool:
        """Whether the half has the weights of a training, not those that it was built with.

        With ``random_init`` these are of this training once it has begun.
        """
        return bool(self.is_loaded)

    def train(self, mode: bool = True) -> 'FrozenLabelHead':
        """Switch to training mode; a frozen half stays in evaluation mode."""
        super().train(mode)
        if self.freeze:
            self.coder.eval()
        return self

    def init_weights(self) -> None:
        """Initialise; the half takes over what the autoencoder learned."""
        super().init_weights()
        self.load()

    def load(self, again: bool = False) -> None:
        """Read ``init_from`` unless the half holds learned weights already.

        Segmentors do not initialise heads in a list of auxiliary heads: there, the hook calls this
        before the training, or the first loss does.

        Args:
            again: Whether to read it all the same, for other weights may have been put in its place.
        """
        if self.init_from is not None and (again or not int(self.is_loaded)):
            self.metadata = load_label_code(self.part, self.coder, self.init_from)
            self.is_loaded.fill_(1)

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

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load; that weights are learned a checkpoint says of all of them, not of those that fit."""
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if f'{prefix}is_loaded' in state_dict and lacks_tensors(self, state_dict, prefix):
            self.is_loaded.zero_()

    def check_loaded(self) -> None:
        """Refuse to supervise by weights that were never learned.

        Raises:
            RuntimeError: There is neither a file, nor a resumed checkpoint, nor ``random_init``.
        """
        if self._has_checked:
            return
        self.load()
        if self.random_init:
            self.is_loaded.fill_(1)
        if not int(self.is_loaded):
            raise RuntimeError(
                f'{type(self).__name__} has no label {self.part}: set init_from to the '
                'label_autoencoder.safetensors of a trained LabelAutoEncoder, or random_init=True for '
                'the ablation'
            )
        self._has_checked = True

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
