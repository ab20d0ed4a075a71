"""The label code: what a label autoencoder leaves for the segmentors that it regularises.

``label_autoencoder.safetensors`` holds the tensors ``encoder.*`` and ``decoder.*`` and, as metadata, what
must agree for them to fit: number and names of the classes, ``reduce_zero_label``, channels and stride.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from labelenc_mm.handover.artefact import CLASSES, ArtefactError
from labelenc_mm.handover.declaration import ArtefactKind, Take, Under
from labelenc_mm.labels import VOID
from labelenc_mm.networks import LabelMapEncoder


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


LABEL_AUTOENCODER = ArtefactKind(
    kind='labelenc_mm label autoencoder',
    noun='label autoencoder',
    file_name='label_autoencoder.safetensors',
    origin='Train a LabelAutoEncoder first',
    parts={'encoder.': Under('encoder.'), 'decoder.': Under('decoder.')},
    labels_of='autoencoder',
    checks={
        'num_classes': (_is_count, 'a whole number'),
        'channels': (_are_counts, 'a list of whole numbers'),
        'pool_last': (lambda value: isinstance(value, bool), 'true or false'),
        'reduce_zero_label': (lambda value: value in (None, True, False), 'true, false or null'),
        'classes': CLASSES,
    },
)


def describe(coder: Any) -> dict[str, Any]:
    """What must agree between the autoencoder and one of its halves, as plain JSON values."""
    description = {
        'num_classes': coder.num_classes,
        'channels': list(coder.channels),
        'pool_last': coder.pool_last,
    }
    if hasattr(coder, 'upsample_mode'):  # the decoder
        description['upsample_mode'] = coder.upsample_mode
    return description


def describe_autoencoder(autoencoder: Any, metainfo: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of the file of a label autoencoder.

    Args:
        autoencoder: The :class:`LabelAutoEncoder`; tells its options.
        metainfo: Meta information of the data set: ``classes`` and ``reduce_zero_label``.
    """
    return {
        **describe(autoencoder.decoder),
        'stride': autoencoder.decoder.stride,
        'classes': list(metainfo['classes']) if metainfo.get('classes') else None,
        'reduce_zero_label': metainfo.get('reduce_zero_label'),
    }


def save_label_autoencoder(
    autoencoder: Any,
    state_dict: Mapping[str, Tensor],
    path: str,
    metainfo: Mapping[str, Any] | None = None,
) -> None:
    """Write the file of a trained label autoencoder.

    Args:
        autoencoder: The :class:`LabelAutoEncoder`; tells its options.
        state_dict: Its weights (averaged ones under EMA).
        path: File to write, replaced in one go.
        metainfo: Meta information of the data set: ``classes`` and ``reduce_zero_label``.
    """
    LABEL_AUTOENCODER.save(path, state_dict, describe_autoencoder(autoencoder, metainfo or {}))


def load_label_code(part: str, coder: nn.Module, path: str) -> Mapping[str, Any]:
    """Load one half of a label autoencoder, checking the file before anything is changed.

    Args:
        part: 'encoder' or 'decoder'.
        coder: A :class:`~labelenc_mm.networks.LabelMapEncoder` or ``LabelMapDecoder``.
        path: The file.

    Returns:
        Its metadata.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is damaged, something else, or of another autoencoder; lists all
            differences.
    """
    artefact = LABEL_AUTOENCODER.read(path, 'init_from')
    takes = [Take(f'{part}.', Under(''))]
    advice = (
        'Give channels, pool_last and upsample_mode of the autoencoder, trained on the same classes'
    )
    artefact.check(coder, takes, describe(coder), part, advice)
    artefact.fill(coder, takes)
    print_log(f'Label {part} loaded from {path}', 'current')
    return artefact.metadata


def load_label_encoder(
    path: str, ignore_index: int = VOID
) -> tuple[LabelMapEncoder, Mapping[str, Any]]:
    """Build the encoder that a file describes, with its weights, for evaluation.

    Args:
        path: The file.
        ignore_index: Label of void pixels.

    Returns:
        The encoder and the metadata of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is damaged or something else.
    """
    metadata = LABEL_AUTOENCODER.read(path).metadata
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
        path: The file of the autoencoder.
        decoder: That of the segmentor.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: The file is damaged, something else, or of another autoencoder; lists all
            differences.
    """
    artefact = LABEL_AUTOENCODER.read(path)
    take = Take('decoder.', Under(''))
    differences = artefact.differences(decoder, [take], describe(decoder))
    if not differences:
        state = decoder.state_dict()
        differences = [
            f'{name}: other values in the file'
            for key, name in take.keys(state).items()
            if not torch.equal(artefact.tensors[name], state[key].cpu())
        ]
    if differences:
        raise ArtefactError(
            f'{path} is not the autoencoder that the segmentor was trained with:\n  '
            + '\n  '.join(differences)
            + '\nGive the file that init_from named in its training'
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
