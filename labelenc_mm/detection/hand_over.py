"""What step 1 of LabelEnc hands to step 2 (ECCV 2020, sec. 3.3): ``label_encoding.safetensors``.

The file holds the tensors ``encoder.*``, ``pyramid.*`` and ``head.*`` (everything of the detector
outside backbone and neck) and, as metadata, what must agree for them to fit. Backbone, image neck and
adapter stay behind: step 2 learns its own.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.logging import print_log
from torch import Tensor, nn

import labelenc_mm
from labelenc_mm.detection.introspection import NOT_HEAD, head_children
from labelenc_mm.engine.built_models import class_name, entry_of
from labelenc_mm.engine.data.label_names import compare_classes
from labelenc_mm.handover.artefact import (
    CLASSES,
    ArtefactError,
    check_metadata,
    compare_tensors,
    load_tensors,
    save_tensors,
)
from labelenc_mm.labels import LABEL_MAP_VERSION

FILE_NAME = 'label_encoding.safetensors'
_KIND = 'labelenc_mm label encoding'


def save_label_encoding(
    detector: Any,
    state_dict: Mapping[str, Tensor],
    path: str,
    classes: Sequence[str] | None = None,
) -> None:
    """Write the hand-over file of a detector that has gone through step 1.

    Args:
        detector: The label-encoded detector; tells types and options.
        state_dict: Its weights (averaged ones under EMA).
        path: File to write, replaced in one go.
        classes: Class names in order of the labels, None if the data set has none.
    """
    tensors = {}
    for key, value in state_dict.items():
        for source, target in (
            ('labelenc.encoder.', 'encoder.'),
            ('labelenc.pyramid.', 'pyramid.'),
        ):
            if key.startswith(source):
                tensors[target + key[len(source) :]] = value
        if key.split('.')[0] not in NOT_HEAD:
            tensors[f'head.{key}'] = value
    save_tensors(
        path, tensors, {**describe(detector), 'classes': list(classes) if classes else None}
    )


def load_label_encoding(detector: Any, path: str, only_frozen: bool = False) -> None:
    """Start step 2 from a hand-over file, checking it before anything is changed.

    Encoder and pyramid are loaded strictly; so is the head (``labelenc.init_head``). The neck takes the
    pyramid's tensors of equal shape (``labelenc.init_neck``); the others are listed in the log.

    Args:
        detector: The label-encoded detector.
        path: The hand-over file.
        only_frozen: Whether to leave the detector's head and neck as they are.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtefactError: If the file is damaged, something else, or made for another detector; lists all
            differences.
    """
    head = detector.labelenc
    init_head, init_neck = (flag and not only_frozen for flag in (head.init_head, head.init_neck))
    try:
        tensors, metadata = load_tensors(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'labelenc.init_from={path}: no such file. Train step 1 first; it leaves {FILE_NAME} in '
            'its work dir'
        ) from error
    if metadata.get('kind') != _KIND:
        raise ArtefactError(
            f'{path} is not a label encoding of step 1 (kind: {metadata.get("kind")}): give the {FILE_NAME} '
            'that step 1 left in its work dir'
        )
    check_metadata(path, metadata, {'classes': CLASSES})

    differences = compare_label_encoding(detector, tensors, metadata, with_head=init_head)
    if differences:
        advice = 'Train step 1 with the same classes, neck and head (the backbone may differ)'
        if init_head and not compare_label_encoding(detector, tensors, metadata, with_head=False):
            advice += ', or leave its head out with labelenc.init_head=False'
        raise ArtefactError(
            f'{path} does not fit this detector:\n  ' + '\n  '.join(differences) + f'\n{advice}'
        )

    for prefix, module in _frozen_parts(detector).items():
        module.load_state_dict(_select(tensors, prefix), strict=True)
    if init_head:
        _update(detector, _select(tensors, 'head.'))
    if init_neck and getattr(detector, 'neck', None) is not None:
        _init_neck(detector.neck, _select(tensors, 'pyramid.'))
    head.encoder_is_loaded.fill_(1)
    head.step1_classes = metadata.get('classes')
    print_log(
        f'Label encoding, pyramid{" and head" if init_head else ""} loaded from {path}',
        'current',
    )


def compare_label_encoding(
    detector: Any,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    with_head: bool = True,
) -> list[str]:
    """What keeps the content of a hand-over file from fitting a detector, one line each.

    Args:
        detector: The label-encoded detector.
        tensors: Of the file.
        metadata: Of the file.
        with_head: Whether the head has to fit, too.
    """
    differences = _compare_metadata(describe(detector), metadata, with_head)
    for prefix, module in _frozen_parts(detector).items():
        differences += _compare_tensors(prefix, module.state_dict(), tensors)
    if with_head:
        state = detector.state_dict()
        head = {key: value for key, value in state.items() if key.split('.')[0] not in NOT_HEAD}
        differences += _compare_tensors('head.', head, tensors)
    return differences


def check_classes(detector: Any, classes: Sequence[str] | None) -> None:
    """Compare the data set's classes with those of the step-1 file that was loaded.

    Raises:
        ArtefactError: If names or order differ, listing the differences.
    """
    expected = getattr(detector.labelenc, 'step1_classes', None)
    pairs = compare_classes(classes, expected, whose='step 1')
    if not pairs:
        return
    raise ArtefactError(
        f'{detector.labelenc.init_from} was trained on other classes than this data set has:\n  '
        + '\n  '.join(pairs)
        + '\nTrain step 1 on these classes, in this order'
    )


def describe(detector: Any) -> dict[str, Any]:
    """The metadata of a hand-over file, as plain JSON values.

    ``kind`` says that it is one. ``label_map_version``, ``label_source``, ``pixel_offset``,
    ``pixel_convention``, ``num_classes`` and ``neck`` must be the same in both steps, ``head`` too
    unless ``labelenc.init_head`` is off, and so must ``classes``, which :func:`save_label_encoding` adds.
    ``labelenc_mm_version`` and ``detector`` are for the reader alone: two detectors may well share a
    head.
    """
    head = detector.labelenc
    return {
        'kind': _KIND,
        'labelenc_mm_version': labelenc_mm.__version__,
        'label_map_version': LABEL_MAP_VERSION,
        'label_source': head.label_source,
        'pixel_offset': head.pixel_offset,
        'pixel_convention': head.pixel_convention,
        'num_classes': head.num_classes,
        'detector': detector.stock_type,
        'head': {name: type(child).__name__ for name, child in head_children(detector).items()},
        'neck': type_names(head.neck_config),
    }


def type_names(config: Any) -> Any:
    """The class that a config, or its type in a file, builds; of a list of them a list."""
    if isinstance(config, str):
        return class_name(config, MODELS)
    if isinstance(config, Mapping):
        entry = entry_of(config, MODELS)
        return getattr(entry, '__name__', str(config.get('type')))
    if isinstance(config, Sequence):
        return [type_names(item) for item in config]
    return None


def _frozen_parts(detector: Any) -> dict[str, nn.Module]:
    """What step 2 keeps as it is, by the prefix of its tensors in the file."""
    return {'encoder.': detector.labelenc.encoder, 'pyramid.': detector.labelenc.pyramid}


def _compare_metadata(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], with_head: bool
) -> list[str]:
    theirs = {
        'pixel_convention': 'exclusive',  # files of earlier versions do not say
        **theirs,
        'neck': type_names(theirs.get('neck')),
    }
    keys = ['label_map_version', 'label_source', 'pixel_offset', 'pixel_convention']
    keys += ['num_classes', 'neck', *(['head'] if with_head else [])]
    return [
        f'{key}: {json.dumps(ours[key])} here, {json.dumps(theirs.get(key))} in the file'
        for key in keys
        if ours[key] != theirs.get(key)
    ]


def _compare_tensors(
    prefix: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> list[str]:
    return compare_tensors(
        {f'{prefix}{key}': value for key, value in expected.items()},
        {key: value for key, value in found.items() if key.startswith(prefix)},
    )


def _select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def _update(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Replace some tensors of a module.

    Through its whole state dict, which is strict and carries the version numbers by which modules
    decide whether to rename keys.
    """
    state = module.state_dict()
    state.update(tensors)
    module.load_state_dict(state, strict=True)


def _init_neck(neck: nn.Module, pyramid: Mapping[str, Tensor]) -> None:
    state = neck.state_dict()
    fitting = {k: v for k, v in pyramid.items() if k in state and state[k].shape == v.shape}
    _update(neck, fitting)
    left = [key for key in state if key not in fitting]
    message = f'Neck starts from {len(fitting)} of {len(state)} tensors of the pyramid of step 1'
    if left:
        message += (
            f'; left as initialised, for the pyramid has none of that shape: {", ".join(left)}'
        )
    print_log(message, 'current')
