"""Frozen parts: modules whose children come from an earlier training and do not learn.

They are frozen from their constructor on, before DDP and the optimizer see them, stay in evaluation mode
when the model is switched to training, and train on nothing that was never learned.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import nn

from labelenc_mm.engine.built_models import drop_pretrained
from labelenc_mm.engine.data.label_names import compare_labels
from labelenc_mm.handover.artefact import ArtefactError
from labelenc_mm.handover.checkpoint_fit import lacks_tensors
from labelenc_mm.handover.declaration import ArtefactKind, HandsOver

_OF_FILES = ('init_from', 'encoder_from')


class FrozenPart(BaseModule):
    """A module of ours with children that an artefact fills.

    A subclass builds its children and then calls :meth:`freeze`.

    Args:
        init_from: The artefact, read when the training starts.
    """

    artefact: ArtefactKind
    """What it takes."""

    loaded_flag = 'is_loaded'
    """Name of the buffer that says, in every checkpoint, whether the children hold learned weights: after a
    resume the file of the artefact may be gone."""

    taken: tuple[str, ...] = ()
    """Names of the children that the artefact fills."""

    learns = False
    """Whether they are trained all the same."""

    def __init__(self, init_from: str | None = None) -> None:
        super().__init__()
        self.init_from = init_from
        self.metadata: Mapping[str, Any] = {}
        self.register_buffer(self.loaded_flag, torch.zeros((), dtype=torch.int64))
        self._has_checked = False

    @property
    def frozen_parts(self) -> list[nn.Module]:
        """The children that do not learn."""
        return [] if self.learns else [getattr(self, name) for name in self.taken]

    def freeze(self) -> None:
        """End of the constructor."""
        for part in self.frozen_parts:
            part.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> 'FrozenPart':
        """Switch to training mode; frozen children stay in evaluation mode."""
        super().train(mode)
        for part in self.frozen_parts:
            part.eval()
        return self

    @property
    def is_learned(self) -> bool:
        """Whether the children have the weights of a training, not those that they were built with."""
        return bool(getattr(self, self.loaded_flag))

    def mark_learned(self) -> None:
        """Say so, of weights that were learned or that are to count as such."""
        getattr(self, self.loaded_flag).fill_(1)

    def take(self, owner: nn.Module, again: bool = False) -> None:
        """Fill the children from ``init_from``, and what else of the owner starts from there.

        Args:
            owner: The model that the part belongs to.
            again: Whether the owner has started already, and only the children are to be filled.
        """
        raise NotImplementedError

    def load(self, owner: nn.Module | None = None, again: bool = False) -> None:
        """Take what ``init_from`` has, unless the children hold learned weights already.

        Args:
            owner: The model that the part belongs to, for parts from which it starts, too.
            again: Whether to do so all the same, because other weights may have been put in their place.
        """
        if self.init_from is not None and (again or not self.is_learned):
            self.take(self if owner is None else owner, again)
            self.mark_learned()

    def check_labels(self, metainfo: Mapping[str, Any]) -> None:
        """Compare a data set's labels with those that the artefact was made for.

        Raises:
            ArtefactError: Names or order of the classes, or ``reduce_zero_label``, differ.
        """
        if self.metadata:
            check_labels(self.init_from, self.metadata, metainfo, self.artefact.labels_of)

    @property
    def missing(self) -> str:
        """What is missing, and what to do, where the children are not learned."""
        raise NotImplementedError

    def check_is_learned(self) -> None:
        """Refuse to supervise by weights that were never learned.

        Raises:
            RuntimeError: They are those that the children were built with.
        """
        if self._has_checked:
            return
        if not self.is_learned:
            raise RuntimeError(self.missing)
        self._has_checked = True

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load; that weights are learned a checkpoint says of all of them, not of those that fit."""
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if f'{prefix}{self.loaded_flag}' in state_dict and lacks_tensors(self, state_dict, prefix):
            getattr(self, self.loaded_flag).zero_()


def check_labels(
    path: str | None,
    metadata: Mapping[str, Any],
    metainfo: Mapping[str, Any],
    whose: str,
    remedy: str = '',
) -> None:
    """Compare a data set's labels with those that a file was made from.

    Args:
        path: The artefact or checkpoint, for the message.
        metadata: What it says of its labels: ``classes`` and ``reduce_zero_label``.
        metainfo: Meta information of the data set.
        whose: Where ``metadata`` come from, for the message.
        remedy: The end of the message.

    Raises:
        ArtefactError: Names or order of the classes, or ``reduce_zero_label``, differ.
    """
    differences = compare_labels(metainfo, metadata, whose)
    if differences:
        raise ArtefactError(
            f'{path} was trained on other labels than this data set has:\n  '
            + '\n  '.join(differences)
            + f'\n{remedy or f"Train the {whose} on these classes, in this order"}'
        )


def named_frozen_parts(model: nn.Module) -> Iterator[tuple[str, FrozenPart]]:
    """The frozen parts of a model and their names."""
    for name, module in model.named_modules():
        if isinstance(module, FrozenPart):
            yield name, module


def own_prefixes(model: nn.Module) -> list[str]:
    """Prefixes of the tensors of a model that are ours and make sense together alone."""
    prefixes = list(model.own_prefixes) if isinstance(model, HandsOver) else []
    for name, part in named_frozen_parts(model):
        for child in part.taken:
            if not f'{name}.{child}.'.startswith(tuple(prefixes)):
                prefixes.append(f'{name}.{child}.')
    return prefixes


def without_files(model: Any, pretrained: bool = True) -> Any:
    """A model, or nested options of one, that opens no artefact; changed in place.

    Args:
        model: The model or its options.
        pretrained: Whether options are also to name no pretrained weights.
    """
    if isinstance(model, nn.Module):
        for _, part in named_frozen_parts(model):
            for option in _OF_FILES:
                if hasattr(part, option):
                    setattr(part, option, None)
    elif isinstance(model, dict):
        model.update({option: None for option in _OF_FILES if option in model})
        if pretrained:
            drop_pretrained(model)
            model.pop('pretrained', None)
        for value in model.values():
            without_files(value, pretrained)
    elif isinstance(model, list | tuple):
        for value in model:
            without_files(value, pretrained)
    return model
