"""Tensor files that one training stage hands to the next, with metadata that say what they are for.

They are safetensors, which hold no code and can be taken from anyone, with JSON metadata. What the stock
toolbox is to load by itself is a ``.pth`` of plain tensors and plain types instead, which
``torch.load(weights_only=True)`` takes, with a copy of the metadata in a ``.json`` beside it, to be read.
Whoever loads either compares the metadata with what it expects.
"""

import json
import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.files import local_path, replacing
from labelenc_mm.toolbox.safe_loading import CheckpointError, load_checkpoint_file

# safetensors allows only strings as metadata: ours is one JSON document under this key.
METADATA_KEY = 'labelenc_mm'


class ArtefactError(LabelEncMMError, ValueError):
    """A tensor file that cannot be used; names the file and a remedy."""


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write tensors and metadata, so that the file is either complete or not there.

    Args:
        path (str | PathLike): Target; its folder is created. An existing file is replaced.
        tensors (Mapping[str, Tensor]): Tensors of any shape, dtype and device. Tensors that share
            memory are stored once each.
        metadata (Mapping[str, Any]): Anything that JSON can hold.

    Raises:
        TypeError: A value is not a tensor, or the metadata is not JSON; names the key.
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f'{name!r} for {path} must be a tensor, got {type(tensor).__name__}.')
    try:
        text = json.dumps(dict(metadata))
    except TypeError as error:
        raise TypeError(f'The metadata for {path} must be plain JSON: {error}.') from error
    # The format refuses tensors that share memory (tied weights): every one gets its own copy.
    copies = {
        name: tensor.detach().to('cpu', copy=True).contiguous() for name, tensor in tensors.items()
    }
    with replacing(path) as unfinished:
        if not is_checkpoint(path):
            save_file(copies, unfinished, metadata={METADATA_KEY: text})
            return
        # Given a name alone, torch would not tell that the disk is full.
        with unfinished.open('wb') as file:
            torch.save({'meta': {METADATA_KEY: json.loads(text)}, 'state_dict': copies}, file)
    with replacing(local_path(path).with_suffix('.json')) as unfinished:
        unfinished.write_text(json.dumps(json.loads(text), indent=2) + '\n', encoding='utf-8')


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one that the stock toolbox loads, by its name."""
    return local_path(path).suffix == '.pth'


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Args:
        path (str | PathLike): The file; also as ``file://``.

    Returns:
        tuple[dict[str, Tensor], dict[str, Any]]: Tensors on the CPU, and the metadata.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is truncated, in another format, or not one of ours.
    """
    path = local_path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'There is no tensor file {path}. Run the stage that writes it, or correct the path.'
        )
    tensors, content = (_read_checkpoint if is_checkpoint(path) else _read_safetensors)(path)
    if content is None:
        raise ArtefactError(
            f'{path} was not written by labelenc_mm: its metadata hold no {METADATA_KEY!r}. Give the file '
            'that a labelenc_mm stage left in its work dir.'
        )
    if not isinstance(content, dict):
        found = textwrap.shorten(repr(content), 200)
        raise ArtefactError(
            f'The metadata of {path} are damaged (expected a JSON object, found {found}): run the stage '
            'that writes it again.'
        )
    return tensors, content


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """Tensors of a file and what its metadata say, None if nothing."""
    try:
        with safe_open(path, framework='pt', device='cpu') as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ArtefactError(
            f'{path} is truncated or not a safetensors file ({error}): run the stage that writes '
            'it again, or copy it again.'
        ) from error
    if METADATA_KEY not in metadata:
        return tensors, None
    try:
        return tensors, json.loads(metadata[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        return tensors, error


def _read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """The same of a ``.pth``."""
    try:
        content = load_checkpoint_file(path)
    except CheckpointError as error:
        raise ArtefactError(str(error)) from error
    content = content if isinstance(content, dict) else {}
    meta = content.get('meta')
    tensors = content.get('state_dict')
    if not isinstance(meta, dict) or METADATA_KEY not in meta or not isinstance(tensors, dict):
        return {}, None
    return tensors, meta[METADATA_KEY]


def check_metadata(
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any],
    expected: Mapping[str, tuple[Callable[[Any], bool], str]],
) -> None:
    """Refuse metadata that are missing or of another type than a file of its kind has.

    Args:
        path: The file, for the message.
        metadata: What it says.
        expected: Key -> whether a value will do, and what that is in words.

    Raises:
        ArtefactError: Names file, key and value.
    """
    for key, (fits, words) in expected.items():
        if not fits(metadata.get(key)):
            found = textwrap.shorten(repr(metadata[key]), 200) if key in metadata else 'nothing'
            raise ArtefactError(
                f'The metadata of {path} are damaged ({key}: expected {words}, found {found}): run the '
                'stage that writes it again.'
            )


def is_class_names(value: Any) -> bool:
    """Whether a value of metadata is a list of names, or None for a data set without names."""
    is_list = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return value is None or is_list


CLASSES = (is_class_names, 'a list of names or null')


def compare_tensors(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]
) -> list[str]:
    """What keeps a file's tensors from fitting a module: one line for each, none if they fit.

    The dtype has to agree, too: ours are written as they were trained, so that another one tells of a
    file that something has rounded or damaged.
    """
    lines = []
    for key, value in expected.items():
        if key not in found:
            lines.append(f'{key}: missing in the file')
        elif found[key].shape != value.shape:
            shapes = tuple(value.shape), tuple(found[key].shape)
            lines.append(f'{key}: shape {shapes[0]} here, {shapes[1]} in the file')
        elif found[key].dtype != value.dtype:
            dtypes = (str(tensor.dtype).removeprefix('torch.') for tensor in (value, found[key]))
            lines.append('{}: {} here, {} in the file'.format(key, *dtypes))
    return lines + [f'{key}: only in the file' for key in found if key not in expected]
