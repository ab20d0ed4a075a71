"""Declarations: what a training leaves for the next, and what a model takes of it.

A method declares both; writing, reading, comparing and refusing are the same for all.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmengine.logging import print_log
from torch import Tensor, nn

import labelenc_mm
from labelenc_mm.handover.artefact import (
    ArtefactError,
    check_metadata,
    compare_tensors,
    load_tensors,
    save_tensors,
)

FORMAT = 1
"""Of the files that are written now. One that says nothing is of format 1, too."""


class Under(NamedTuple):
    """The tensors of a state dict below a prefix; '' means all."""

    prefix: str

    def rest(self, key: str) -> str | None:
        """The name behind the prefix, None for another tensor."""
        return key[len(self.prefix) :] if key.startswith(self.prefix) else None


class Outside(NamedTuple):
    """The tensors of a state dict outside of some modules, given by their paths."""

    modules: Sequence[str]

    def rest(self, key: str) -> str | None:
        """The whole name, None for a tensor of one of the modules."""
        inside = any(key.startswith(f'{path}.') for path in self.modules)
        return None if inside else key


@dataclass(frozen=True)
class Take:
    """A part of an artefact and the tensors of a model that take it.

    Attributes:
        part: Beginning of the names in the file.
        into: Where it goes in the model's state dict.
        fresh: Beginnings of names behind it that start anew, whatever the file has there.
        fitting: Whether tensors that the part lacks, or has in another shape, stay as they are, too; by
            default they are an error.
    """

    part: str
    into: Under | Outside
    fresh: tuple[str, ...] = ()
    fitting: bool = False

    def keys(self, state: Mapping[str, Any]) -> dict[str, str]:
        """Names in the file by those in a model's state dict."""
        names = {}
        for key in state:
            rest = self.into.rest(key)
            if rest is not None and not rest.startswith(self.fresh):
                names[key] = f'{self.part}{rest}'
        return names

    def found(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of a file's tensors that are to be taken."""
        fresh = tuple(f'{self.part}{name}' for name in self.fresh)
        return {
            key: value
            for key, value in tensors.items()
            if key.startswith(self.part) and not key.startswith(fresh)
        }


@dataclass(frozen=True)
class Artefact:
    """A file that was read.

    Attributes:
        path: Where it lies.
        tensors: Its tensors.
        metadata: What it says of itself, as files of today do.
    """

    path: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any]

    def differences(
        self, model: nn.Module, takes: Sequence[Take], agree: Mapping[str, Any]
    ) -> list[str]:
        """What keeps it from fitting a model, one line each.

        Args:
            model: The model that is to take it.
            takes: What it would take.
            agree: Metadata that have to be the same, as they are of the model.
        """
        lines = [
            f'{key}: {json.dumps(value)} here, {json.dumps(self.metadata.get(key))} in the file'
            for key, value in agree.items()
            if value != self.metadata.get(key)
        ]
        state = model.state_dict()
        for take in takes:
            if not take.fitting:
                expected = {name: state[key] for key, name in take.keys(state).items()}
                lines += compare_tensors(expected, take.found(self.tensors))
        return lines

    def check(
        self,
        model: nn.Module,
        takes: Sequence[Take],
        agree: Mapping[str, Any],
        who: str,
        advice: str,
    ) -> None:
        """Refuse what does not fit.

        Args:
            model: As in :meth:`differences`, like the next two.
            takes: Likewise.
            agree: Likewise.
            who: What the model is called in the message.
            advice: What to do about it.

        Raises:
            ArtefactError: It does not fit; lists all differences.
        """
        lines = self.differences(model, takes, agree)
        if lines:
            raise ArtefactError(
                f'{self.path} does not fit this {who}:\n  ' + '\n  '.join(lines) + f'\n{advice}'
            )

    def fill(self, model: nn.Module, takes: Sequence[Take]) -> None:
        """Load what a model takes, which has been checked to fit.

        Through the model's whole state dict, which is strict and carries the version numbers by which
        modules decide whether to rename keys.
        """
        state = model.state_dict()
        for take in takes:
            found, left = take.found(self.tensors), []
            names = take.keys(state)
            for key, name in names.items():
                if name in found and (not take.fitting or found[name].shape == state[key].shape):
                    state[key] = found[name]
                else:
                    left.append(key)
            if take.fitting:
                kept = f'; left as initialised: {", ".join(left)}' if left else ''
                print_log(
                    f'{len(names) - len(left)} of {len(names)} tensors start from {take.part}* of '
                    f'{self.path}{kept}',
                    'current',
                )
        model.load_state_dict(state, strict=True)


def _as_it_is(metadata: dict[str, Any]) -> dict[str, Any]:
    return metadata


@dataclass(frozen=True)
class ArtefactKind:
    """What a training leaves for the next.

    Attributes:
        kind: By which a file says what it is.
        noun: What it is called.
        file_name: Name of the file in the work dir of the training.
        origin: How to get one, for messages: 'Train step 1 first'.
        parts: Beginning of names in the file -> the tensors of the model that they are.
        labels_of: Whose classes it tells, for messages: 'step 1'.
        checks: Key of the metadata -> whether a value will do, and what that is in words.
        upgrade: From the metadata of any earlier version, whose ``format`` tells, to those of today.
        option: Of the next training, that names the file.
    """

    kind: str
    noun: str
    file_name: str
    origin: str
    parts: Mapping[str, Under | Outside]
    labels_of: str
    checks: Mapping[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict)
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    option: str = 'init_from'

    def save(
        self, path: str, state_dict: Mapping[str, Tensor], metadata: Mapping[str, Any]
    ) -> None:
        """Write the file of a model.

        Args:
            path: File to write, replaced in one go.
            state_dict: The model's weights (averaged ones under EMA).
            metadata: What must agree for them to fit, and what a reader may want to know, as plain JSON.
        """
        tensors = {
            f'{part}{rest}': value
            for part, where in self.parts.items()
            for key, value in state_dict.items()
            if (rest := where.rest(key)) is not None
        }
        self.write(path, tensors, metadata)

    def write(self, path: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
        """Write tensors that have their names in the file already; else as :meth:`save`."""
        general = {'kind': self.kind, 'format': FORMAT}
        general['labelenc_mm_version'] = labelenc_mm.__version__
        save_tensors(path, tensors, {**general, **metadata})

    def read(self, path: str, option: str = '') -> Artefact:
        """Read a file.

        Args:
            path: Where it lies.
            option: The option that names it, for messages.

        Raises:
            FileNotFoundError: There is no such file.
            ArtefactError: It is damaged, something else, or written by a later version.
        """
        try:
            tensors, metadata = load_tensors(path)
        except FileNotFoundError as error:
            name = f'{option}={path}' if option else path
            raise FileNotFoundError(
                f'{name}: no such file. {self.origin}; it leaves {self.file_name} in its work dir'
            ) from error
        if metadata.get('kind') != self.kind:
            raise ArtefactError(
                f'{path} is no {self.noun} (kind: {metadata.get("kind")}): give the {self.file_name} that a '
                f'training left in its work dir. {self.origin}'
            )
        written = metadata.get('format', 1)
        if type(written) is not int or written > FORMAT:
            raise ArtefactError(
                f'{path} has format {written!r} of labelenc_mm {metadata.get("labelenc_mm_version")}; this '
                f'version, {labelenc_mm.__version__}, reads formats up to {FORMAT}. Update labelenc_mm, or '
                f'write the file again: {self.origin}'
            )
        metadata = self.upgrade(metadata)
        check_metadata(path, metadata, self.checks)
        return Artefact(path, tensors, metadata)


class Leaves(NamedTuple):
    """What a model leaves when its training ends."""

    kind: ArtefactKind
    metadata: dict[str, Any]


class HandsOver:
    """Mixin of our models: what they leave, and what of their weights is ours."""

    own_prefixes: tuple[str, ...] = ()
    """Of tensors in the state dict that make sense together alone."""

    def leaves(self, metainfo: Mapping[str, Any]) -> Leaves | None:
        """The artefact that this training leaves, None without one.

        Args:
            metainfo: Meta information of the training data.
        """
        return None

    @property
    def not_exported(self) -> str | None:
        """Why there is no stock model to export, None where there is one."""
        return None


def leaves_of(model: Any, metainfo: Mapping[str, Any]) -> Leaves | None:
    """What any model leaves, one of a toolbox included, which leaves nothing."""
    return model.leaves(metainfo) if isinstance(model, HandsOver) else None


def not_exported(model: Any) -> str | None:
    """Why any model has no stock model to export, None where it has one."""
    return model.not_exported if isinstance(model, HandsOver) else None
