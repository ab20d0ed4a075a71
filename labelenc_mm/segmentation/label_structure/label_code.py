"""What the label autoencoder hands to the segmenters that it regularises: ``label_autoencoder.safetensors``.

The file holds the tensors ``encoder.*`` and ``decoder.*`` and, as metadata, what must agree for them to
fit: number and names of the classes, ``reduce_zero_label``, channels and stride.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

import labelenc_mm
from labelenc_mm.engine.data.label_names import compare_labels
from labelenc_mm.handover.artefact import (
    CLASSES,
    ArtefactError,
    check_metadata,
    compare_tensors,
    load_tensors,
    save_tensors,
)
from labelenc_mm.labels import VOID
from labelenc_mm.networks import LabelMapEncoder

FILE_NAME = 'label_autoencoder.safetensors'
PARTS = ('encoder', 'decoder')
_KIND = 'labelenc_mm label autoencoder'


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


_METADATA: dict[str, tuple[Callable[[Any], bool], str]] = {
    'num_classes': (_is_count, 'a whole number'),
    'channels': (
        lambda v: isinstance(v, list) and all(map(_is_count, v)),
        'a list of whole numbers',
    ),
    'pool_last': (lambda v: isinstance(v, bool), 'true or false'),
    'reduce_zero_label': (lambda v: v in (None, True, False), 'true, false or null'),
    'classes': CLASSES,
}


def save_label_autoencoder(
    autoencoder: Any,
    state_dict: Mapping[str, Tensor],
    path: str,
    metainfo: Mapping[str, Any] | None = None,
) -> None:
    """Write the hand-over file of a trained label autoencoder.

    Args:
        autoencoder: The :class:`LabelAutoEncoder`; tells its options.
        state_dict: Its weights (averaged ones under EMA).
        path: File to write, replaced in one go.
        metainfo: Meta information of the data set: ``classes`` and ``reduce_zero_label``.
    """
    metainfo = metainfo or {}
    tensors = {k: v for k, v in state_dict.items() if k.split('.')[0] in PARTS}
    metadata = {
        **describe(autoencoder.decoder),
        'labelenc_mm_version': labelenc_mm.__version__,
        'stride': autoencoder.decoder.stride,
        'classes': list(metainfo['classes']) if metainfo.get('classes') else None,
        'reduce_zero_label': metainfo.get('reduce_zero_label'),
    }
    save_tensors(path, tensors, metadata)


def load_label_code(part: str, coder: nn.Module, path: str) -> dict[str, Any]:
    """Load one half of a label autoencoder, checking the file before anything is changed.

    Args:
        part: 'encoder' or 'decoder'.
        coder: A :class:`~labelenc_mm.networks.LabelMapEncoder` or ``LabelMapDecoder``.
        path: The hand-over file.

    Returns:
        Its metadata.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is damaged, something else, or of another autoencoder; lists all
            differences.
    """
    try:
        tensors, metadata = _read(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'init_from={error}') from error
    found = {key: value for key, value in tensors.items() if key.split('.')[0] == part}
    differences = _differences(part, coder, found, metadata)
    if differences:
        raise ArtefactError(
            f'{path} does not fit this {part}:\n  '
            + '\n  '.join(differences)
            + '\nGive channels, pool_last and upsample_mode of the autoencoder, trained on the same classes'
        )
    coder.load_state_dict(
        {key[len(part) + 1 :]: value for key, value in found.items()}, strict=True
    )
    print_log(f'Label {part} loaded from {path}', 'current')
    return metadata


def load_label_encoder(
    path: str, ignore_index: int = VOID
) -> tuple[LabelMapEncoder, dict[str, Any]]:
    """Build the encoder that a hand-over file describes, with its weights, for evaluation.

    Args:
        path: The hand-over file.
        ignore_index: Label of void pixels.

    Returns:
        The encoder and the metadata of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is damaged or something else.
    """
    metadata = _read(path)[1]
    encoder = LabelMapEncoder(
        metadata['num_classes'], metadata['channels'], metadata['pool_last'], ignore_index
    )
    load_label_code('encoder', encoder, path)
    return encoder.requires_grad_(False).eval(), metadata


def check_decoder(path: str, decoder: nn.Module) -> None:
    """Compare the frozen decoder of a trained segmentor with that of a label autoencoder, bit by bit.

    Only if they are equal, codes of the autoencoder's encoder and codes that the segmentor predicts are
    of one space.

    Args:
        path: The hand-over file of the autoencoder.
        decoder: That of the segmentor.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is damaged, something else, or of another autoencoder; lists all
            differences.
    """
    tensors, metadata = _read(path)
    found = {key: value for key, value in tensors.items() if key.split('.')[0] == 'decoder'}
    differences = _differences('decoder', decoder, found, metadata)
    if not differences:
        state = decoder.state_dict()
        differences = [
            f'{key}: other values in the file'
            for key, value in found.items()
            if not torch.equal(value, state[key.removeprefix('decoder.')].cpu())
        ]
    if differences:
        raise ArtefactError(
            f'{path} is not the autoencoder that the segmentor was trained with:\n  '
            + '\n  '.join(differences)
            + '\nGive the file that init_from named in its training'
        )


def _differences(
    part: str, coder: nn.Module, found: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> list[str]:
    """What keeps the tensors of one half in a file from fitting a coder, one line each."""
    ours = describe(coder)
    differences = [
        f'{key}: {ours[key]} here, {metadata.get(key)} in the file'
        for key in ours
        if ours[key] != metadata.get(key)
    ]
    if differences:  # every tensor would differ as well
        return differences
    state = {f'{part}.{key}': value for key, value in coder.state_dict().items()}
    return compare_tensors(state, found)


def _read(path: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a hand-over file."""
    try:
        tensors, metadata = load_tensors(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{path}: no such file. Train a LabelAutoEncoder first; with LabelStructureHook it leaves '
            f'{FILE_NAME} in its work dir'
        ) from error
    if metadata.get('kind') != _KIND:
        raise ArtefactError(
            f'{path} is no label autoencoder (kind: {metadata.get("kind")}): give the {FILE_NAME} that its '
            'training left in its work dir'
        )
    check_metadata(path, metadata, _METADATA)
    return tensors, metadata


def check_labels(
    path: str | None,
    metadata: Mapping[str, Any],
    metainfo: Mapping[str, Any],
    whose: str = 'autoencoder',
    remedy: str = 'Train the label autoencoder on these classes, in this order',
) -> None:
    """Compare a data set's labels with those that an autoencoder or segmentor was trained on.

    Args:
        path: The hand-over file or checkpoint, for the message.
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
            + f'\n{remedy}'
        )


def check_num_classes(num_classes: int, classes: Sequence[str] | None) -> None:
    """Compare the classes of a label autoencoder with those of its data set.

    More of them than the data set names are allowed, as in mmseg's own heads, and told.

    Raises:
        ValueError: There are fewer.
    """
    if not classes or len(classes) == num_classes:
        return
    text = f'model.num_classes={num_classes}, but the data set has {len(classes)} classes'
    if num_classes < len(classes):
        raise ValueError(f'{text}: set model.num_classes={len(classes)}')
    print_log(
        f'{text}: this autoencoder serves segmentors with {num_classes} outputs alone',
        'current',
        logging.WARNING,
    )


def describe(coder: Any) -> dict[str, Any]:
    """What must agree between the autoencoder and a head, as plain JSON values."""
    description = {
        'kind': _KIND,
        'num_classes': coder.num_classes,
        'channels': list(coder.channels),
        'pool_last': coder.pool_last,
    }
    if hasattr(coder, 'upsample_mode'):  # the decoder
        description['upsample_mode'] = coder.upsample_mode
    return description
