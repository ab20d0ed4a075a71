"""Names of the labels of a data set, which are not always those that its config says.

MMDetection numbers the labels of COCO-like data by the order of ``categories`` in the annotation file,
from which ``metainfo.classes`` only picks (LVIS does not even pick); all else is called by
``metainfo.classes``. Nothing here knows a toolbox: data sets are told by their attributes.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.fileio import get_local_path

from labelenc_mm.engine.data.wrappers import loading_datasets

_SHOWN = 12  # differences in a message; one name too few shifts all labels behind it
_MAX_NAMES = 30


def class_names(classes: Any, where: str = 'metainfo.classes') -> list[str] | None:
    """The names of classes as a list, None if there are none.

    Args:
        classes: As ``metainfo['classes']`` holds them.
        where: Where they stand, for the message.

    Raises:
        ValueError: It is one text, of which every letter would be a class.
    """
    if isinstance(classes, str):
        raise ValueError(
            f'{where} is the text {classes!r}, of which every letter would be a class. One name in '
            f'parentheses needs a comma, classes=({classes!r},); or it names a file of classes that '
            'does not exist'
        )
    return list(classes) if classes is not None else None


def compare_classes(
    ours: Sequence[str] | None, theirs: Sequence[str] | None, whose: str
) -> list[str]:
    """What differs between two lists of class names, one line each; nothing if one is unknown.

    Args:
        ours: Names of the data set, in order of the labels.
        theirs: Names that a file was trained on.
        whose: Where ``theirs`` come from, for the text.

    Raises:
        ValueError: One of them is a text.
    """
    ours, theirs = class_names(ours), class_names(theirs, f'classes ({whose})')
    if ours is None or theirs is None:
        return []
    lines = [
        f'{index}: {left!r} ({whose}: {right!r}{_hint(left, right)})'
        for index, (left, right) in enumerate(zip(ours, theirs, strict=False))
        if left != right
    ]
    if len(ours) != len(theirs):
        lines.append(f'{len(ours)} classes ({whose}: {len(theirs)})')
    return lines


def compare_labels(ours: Mapping[str, Any], theirs: Mapping[str, Any], whose: str) -> list[str]:
    """What differs in what two data sets' labels mean, one line each; nothing where one does not say.

    Args:
        ours: Meta information of the data set: ``classes`` and ``reduce_zero_label``.
        theirs: The same of what a file was trained on.
        whose: Where ``theirs`` come from, for the text.
    """
    lines = compare_classes(ours.get('classes'), theirs.get('classes'), whose)
    flags = [each.get('reduce_zero_label') for each in (ours, theirs)]
    if None not in flags and flags[0] != flags[1]:
        lines.append(f'reduce_zero_label is {flags[0]} ({whose}: {flags[1]})')
    return lines


def common_label_names(datasets: Mapping[str, Any]) -> list[str] | None:
    """What the labels of all data sets of a run are called, in their order; None if none tells.

    Args:
        datasets: Data sets, wrapped ones too, or None, by their place in the config.

    Raises:
        ValueError: A label is not what ``metainfo.classes`` calls it, or means another class in another
            of the data sets or of the parts of one.
    """
    common: list[str] | None = None
    place = ''
    for loader, dataset in datasets.items():
        for part in loading_datasets(dataset):
            where = f'{loader}, {type(part).__name__} {getattr(part, "ann_file", "")}'.rstrip()
            names = _label_names(part, where)
            differences = compare_classes(names, common, whose=place)
            if differences:
                raise ValueError(
                    f'labels of two data sets of this run mean different classes. {where} has:\n  '
                    + '\n  '.join(first_of(differences))
                    + '\nGive all of them the same metainfo.classes, in one order'
                )
            if common is None:
                common, place = names, where
    return common


def first_of(lines: Sequence[str]) -> list[str]:
    """The first dozen of lines, and how many are left out."""
    left = len(lines) - _SHOWN
    return list(lines) if left <= 0 else [*lines[:_SHOWN], f'... and {left} more']


def shown_names(names: Sequence[str]) -> str:
    """Names of classes for a message, not more than a screen takes."""
    left = len(names) - _MAX_NAMES
    return ', '.join(map(repr, names[:_MAX_NAMES])) + (f' and {left} more' if left > 0 else '')


def no_common_name(wanted: Sequence[str], found: Sequence[str], place: str) -> str:
    """What is wrong where annotations have none of the classes, for a message.

    Args:
        wanted: ``metainfo.classes``.
        found: Names in the annotations.
        place: What the annotations are called.
    """
    return (
        f'none of metainfo.classes, {shown_names(wanted)}, is among the names in {place}, '
        f'{shown_names(found)}. Write the classes as the annotations have them'
    )


def _label_names(dataset: Any, where: str) -> list[str] | None:
    """The names by label of one data set, which have to be its ``metainfo.classes``."""
    classes = class_names(
        (getattr(dataset, 'metainfo', None) or {}).get('classes'), f'metainfo.classes of {where}'
    )
    cat2label = getattr(dataset, 'cat2label', None)
    if classes is None or cat2label is None or any(isinstance(key, str) for key in cat2label):
        return classes  # numbered in this order: XML (by name), CSV, label maps
    categories = categories_by_id(dataset)
    if categories is None:
        return classes
    by_label: dict[int, list[str]] = defaultdict(list)
    for category, label in cat2label.items():
        by_label[label].append(categories.get(category, f'category {category}'))
    names = []
    for label in range(max(by_label, default=-1) + 1):
        found = by_label[label]
        # Other than one category the data set's own code makes of a label, and metainfo.classes names it.
        names.append(
            classes[label] if len(found) != 1 and label < len(classes) else ' / '.join(found)
        )
    differences = compare_classes(classes, names, whose='by its annotations')
    if classes and not names:
        raise ValueError(
            f'{where}: {no_common_name(classes, [*categories.values()], "its annotations")}'
        )
    if differences:
        differences += [
            f'{name!r} is not in its categories{_similar(name, categories.values())}'
            for name in classes
            if name not in categories.values()
        ]
        raise ValueError(
            f'{where}: labels are not what metainfo.classes calls them:\n  '
            + '\n  '.join(first_of(differences))
            + '\nMMDetection numbers the labels of COCO-like data by the order of "categories" in the '
            f'annotation file. Write metainfo.classes in that order, {tuple(names)}, or bring the '
            'categories into the order of metainfo.classes, each under the very same name; in all data '
            'sets alike'
        )
    return names


def categories_by_id(dataset: Any) -> dict[Any, str] | None:
    """Names of the categories in a COCO-like annotation file by their ids; None if it has none."""
    path, backend = getattr(dataset, 'ann_file', ''), getattr(dataset, 'backend_args', None)
    try:
        with get_local_path(path, backend_args=backend) as local_path:
            content = Path(local_path).read_bytes()
        # All but these few lines may be gigabytes, which the data set has parsed once already.
        starts = [match.end() - 1 for match in re.finditer(rb'"categories"\s*:\s*\[', content)]
        if len(starts) == 1:
            categories = json.JSONDecoder().raw_decode(content[starts[0] :].decode())[0]
        else:
            categories = json.loads(content)['categories']
        return {entry['id']: entry['name'] for entry in categories}
    except (OSError, ValueError, LookupError, TypeError):
        return None  # a format of the data set's own


def _hint(left: str, right: str) -> str:
    alike = _plain(left) == _plain(right)
    return ', which differs by case or blanks only' if alike else ''


def _similar(name: str, others: Any) -> str:
    """Which of the others was probably meant."""
    found = [other for other in others if _plain(other) == _plain(name)]
    return f', but {found[0]!r} is, which differs by case or blanks only' if found else ''


def _plain(name: str) -> str:
    return ''.join(str(name).split()).casefold()
