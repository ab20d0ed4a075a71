"""The label encoding: what step 1 of LabelEnc leaves for step 2 (ECCV 2020, sec. 3.3).

``label_encoding.safetensors`` holds the tensors ``encoder.*``, ``pyramid.*`` and ``head.*`` (everything
of the detector outside backbone and neck) and, as metadata, what must agree for them to fit. Backbone,
image neck and adapter stay behind: step 2 learns its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.logging import print_log
from torch import Tensor

from labelenc_mm.detection.introspection import NOT_HEAD, head_children
from labelenc_mm.engine.built_models import class_name, entry_of
from labelenc_mm.handover.artefact import CLASSES
from labelenc_mm.handover.declaration import Artefact, ArtefactKind, Outside, Take, Under
from labelenc_mm.labels import OBJECT_MAP_VERSION

_MUST_AGREE = ('label_map_version', 'label_source', 'pixel_offset', 'pixel_convention')
_FROZEN = (
    Take('encoder.', Under('labelenc.encoder.')),
    Take('pyramid.', Under('labelenc.pyramid.')),
)
_HEAD = Take('head.', Outside(NOT_HEAD))
_NECK = Take('pyramid.', Under('neck.'), fitting=True)


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


def _upgrade(metadata: dict[str, Any]) -> dict[str, Any]:
    """Earlier versions say no pixel convention, and spell the neck as their config did."""
    return {
        'pixel_convention': 'exclusive',
        **metadata,
        'neck': type_names(metadata.get('neck')),
    }


LABEL_ENCODING = ArtefactKind(
    kind='labelenc_mm label encoding',
    noun='label encoding',
    file_name='label_encoding.safetensors',
    origin='Train step 1 first',
    parts={take.part: take.into for take in (*_FROZEN, _HEAD)},
    labels_of='step 1',
    checks={'classes': CLASSES},
    upgrade=_upgrade,
)


def describe(detector: Any, classes: Sequence[str] | None = None) -> dict[str, Any]:
    """The metadata of a label encoding, as plain JSON values.

    ``label_map_version``, ``label_source``, ``pixel_offset``, ``pixel_convention``, ``num_classes`` and
    ``neck`` must be the same in both steps, ``head`` too unless ``labelenc.init_head`` is off, and so must
    ``classes``. ``detector`` is for the reader alone: two detectors may well share a head.

    Args:
        detector: The label-encoded detector.
        classes: Class names in order of the labels, None if the data set has none.
    """
    head = detector.labelenc
    return {
        'label_map_version': OBJECT_MAP_VERSION,
        'label_source': head.label_source,
        'pixel_offset': head.pixel_offset,
        'pixel_convention': head.pixel_convention,
        'num_classes': head.num_classes,
        'detector': detector.stock_type,
        'head': {name: type(child).__name__ for name, child in head_children(detector).items()},
        'neck': type_names(head.neck_config),
        'classes': list(classes) if classes else None,
    }


def save_label_encoding(
    detector: Any,
    state_dict: Mapping[str, Tensor],
    path: str,
    classes: Sequence[str] | None = None,
) -> None:
    """Write the label encoding of a detector that has gone through step 1.

    Args:
        detector: The label-encoded detector; tells types and options.
        state_dict: Its weights (averaged ones under EMA).
        path: File to write, replaced in one go.
        classes: Class names in order of the labels, None if the data set has none.
    """
    LABEL_ENCODING.save(path, state_dict, describe(detector, classes))


def load_label_encoding(
    detector: Any, path: str, only_frozen: bool = False, option: str = 'labelenc.init_from'
) -> None:
    """Start step 2 from a label encoding, checking it before anything is changed.

    Encoder and pyramid are loaded strictly; so is the head (``labelenc.init_head``). The neck takes the
    pyramid's tensors of equal shape (``labelenc.init_neck``); the others are listed in the log.

    Args:
        detector: The label-encoded detector.
        path: The file.
        only_frozen: Whether to leave the detector's head and neck as they are.
        option: What names the file, for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtefactError: If the file is damaged, something else, or made for another detector; lists all
            differences.
    """
    head = detector.labelenc
    init_head, init_neck = (flag and not only_frozen for flag in (head.init_head, head.init_neck))
    artefact = LABEL_ENCODING.read(path, option)
    advice = 'Train step 1 with the same classes, neck and head (the backbone may differ)'
    if init_head and not compare_label_encoding(detector, artefact, with_head=False):
        advice += ', or leave its head out with labelenc.init_head=False'
    takes, agree = _requirements(detector, init_head)
    artefact.check(detector, takes, agree, 'detector', advice)
    if init_neck and getattr(detector, 'neck', None) is not None:
        takes.append(_NECK)
    artefact.fill(detector, takes)
    head.metadata = artefact.metadata
    head.mark_learned()
    what = 'Label encoding, pyramid and head' if init_head else 'Label encoding and pyramid'
    print_log(f'{what} loaded from {path}', 'current')


def start_neck(detector: Any) -> None:
    """Have a detector's neck take the tensors of its pyramid that fit, as step 2 does those of a file.

    Args:
        detector: The label-encoded detector, whose label branch has learned.
    """
    if getattr(detector, 'neck', None) is None:
        return
    pyramid = {
        f'{_NECK.part}{key}': value for key, value in detector.labelenc.pyramid.state_dict().items()
    }
    Artefact('the label branch', pyramid, {}).fill(detector, [_NECK])


def compare_label_encoding(detector: Any, artefact: Artefact, with_head: bool = True) -> list[str]:
    """What keeps a label encoding from fitting a detector, one line each.

    Args:
        detector: The label-encoded detector.
        artefact: What was read.
        with_head: Whether the head has to fit, too.
    """
    return artefact.differences(detector, *_requirements(detector, with_head))


def _requirements(detector: Any, with_head: bool) -> tuple[list[Take], dict[str, Any]]:
    """What a detector takes of a label encoding strictly, and the metadata that have to agree."""
    keys = [*_MUST_AGREE, 'num_classes', 'neck', *(['head'] if with_head else [])]
    ours = describe(detector)
    takes = [*_FROZEN, *([_HEAD] if with_head else [])]
    return takes, {key: ours[key] for key in keys}
