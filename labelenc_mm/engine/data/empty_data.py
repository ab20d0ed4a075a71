"""Data sets without a sample, told with what was looked for and what there is.

mmengine fails for them with ``need at least one array to concatenate``, before any hook is asked.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS

from labelenc_mm.engine.data.label_names import categories_by_id, no_common_name, shown_names
from labelenc_mm.engine.data.wrappers import loading_configs

_MMENGINE = 'need at least one array to concatenate'
_PLACES = ('data_root', 'ann_file', 'data_prefix', 'img_suffix', 'seg_map_suffix', 'filter_cfg')
_MAX_XML = 1000


@contextmanager
def tells_empty_data(config: Mapping[str, Any]) -> Iterator[None]:
    """Explain that a data set of a config is empty where the block fails of it.

    Args:
        config: Of a training or test, whose ``default_scope`` is in force.

    Raises:
        ValueError: Names the data set, the classes that it wants, and those of its annotations.
    """
    try:
        yield
    except ValueError as error:
        if _MMENGINE not in str(error):
            raise
        loaders = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
        faults = [
            fault
            for loader in loaders
            for part in loading_configs((config.get(loader) or {}).get('dataset'))
            if (fault := _fault(loader, part))
        ]
        raise ValueError('\n'.join(dict.fromkeys(faults)) or str(error)) from error


def _fault(loader: str, config: Mapping[str, Any]) -> str:
    """What is wrong with a data set; nothing if it has samples or cannot be built in this way."""
    try:
        # Serialized, which serves workers, an empty one fails.
        dataset = DATASETS.build({**config, 'serialize_data': False, 'pipeline': []})
        if len(dataset):
            return ''
    except Exception:  # this is only to explain another error
        return ''
    wanted, found = dataset.metainfo.get('classes'), names_in_annotations(dataset)
    if wanted and found and not set(wanted) & set(found):
        fault = no_common_name(wanted, found, f'its annotations {dataset.ann_file}')
        return f'The data set of {loader} is empty: {fault}'
    places = ', '.join(f'{k}={v!r}' for k in _PLACES if (v := getattr(dataset, k, None)))
    names = f'; its annotations have the classes {shown_names(found)}' if found else ''
    kind = type(dataset).__name__
    return (
        f'The data set of {loader} is empty: {kind} finds no sample with {places}, or its filter leaves '
        f'none{names}'
    )


def names_in_annotations(dataset: Any) -> list[str]:
    """Names of the classes in a data set's json (COCO) or XML files (VOC), none if it has others."""
    try:
        if hasattr(dataset, 'ann_subdir'):
            folder = Path(dataset.sub_data_root, dataset.ann_subdir)
            texts = (path.read_text() for path in sorted(folder.glob('*.xml'))[:_MAX_XML])
            names = (
                name for text in texts for name in re.findall(r'<name>\s*(.*?)\s*</name>', text)
            )
            return sorted(set(names))
        return list((categories_by_id(dataset) or {}).values())
    except Exception:  # of whatever format: nothing is known then
        return []
