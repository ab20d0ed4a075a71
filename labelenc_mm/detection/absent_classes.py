"""Classes that a training never sees: counted in the loaded annotations, no image is read."""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log

from labelenc_mm.engine.data.empty_data import names_in_annotations
from labelenc_mm.engine.data.label_names import no_common_name, shown_names
from labelenc_mm.engine.data.wrappers import loading_datasets


def check_objects(dataset: Any, classes: Sequence[str] | None) -> None:
    """Warn of classes without any object in the training data.

    Args:
        dataset: The training data, however wrapped.
        classes: Names by label; None if they are not known, when nothing is said.

    Raises:
        ValueError: There is no object, and none of the classes is among the names of the annotations.
    """
    parts = [*loading_datasets(dataset)]
    absent = _absent_labels(parts, len(classes or ()))
    if not absent or classes is None:
        return
    if len(absent) == len(classes):
        found = [name for part in parts for name in names_in_annotations(part)]
        if found and not set(found) & set(classes):
            fault = no_common_name(classes, found, 'the annotations')
            raise ValueError(f'there is no object to train on: {fault}')
    print_log(
        f'{len(absent)} of {len(classes)} classes have no object in the training data: '
        f'{shown_names([classes[label] for label in absent])}. If they should, compare metainfo.classes '
        'with the names in the annotations',
        'current',
        logging.WARNING,
    )


def _absent_labels(parts: Sequence[Any], num_classes: int) -> list[int]:
    left = set(range(num_classes))
    for part in parts:
        if not hasattr(part, 'get_data_info'):
            return []  # nothing is known of it
        for index in range(len(part)):
            if not left:
                return []
            for instance in part.get_data_info(index).get('instances', ()):
                if not instance.get('ignore_flag'):
                    left.discard(instance.get('bbox_label'))
    return sorted(left)
