"""Samples and classes of a config's data set for the tools that look at it, as a training gets them."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DATASETS

from labelenc_mm.engine.data.empty_data import tells_empty_data
from labelenc_mm.engine.data.label_names import common_label_names
from labelenc_mm.engine.data.wrappers import iterate_datasets
from labelenc_mm.engine.runner_state import common_metainfo
from labelenc_mm.engine.sample_error_hook import name_samples


def build_samples(config: Mapping[str, Any], split: str) -> Any:
    """Build the data set of a dataloader as mmengine's Runner would, wrappers and all.

    Args:
        config: Of a training, whose ``default_scope`` is in force.
        split: 'train' or 'val'.

    Returns:
        The data set; a sample that cannot be prepared is named.

    Raises:
        ValueError: The config has no such data, or there is no sample in it.
    """
    loader = config.get(f'{split}_dataloader')
    if not loader:
        raise ValueError(f'The config has no {split}_dataloader')
    dataset = loader['dataset']
    with tells_empty_data(config):
        if isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    if not len(dataset):
        raise ValueError(f'The data set of {split}_dataloader is empty')
    name_samples(dataset)
    return dataset


def metainfo_of(dataset: Any) -> dict[str, Any]:
    """Meta information of a data set, however it is wrapped.

    Raises:
        ValueError: Its parts have different classes.
    """
    metainfos = (getattr(each, 'metainfo', None) for each in iterate_datasets(dataset))
    return common_metainfo(next((metainfo for metainfo in metainfos if metainfo), None))


def names_by_label(dataset: Any, num_classes: int, split: str) -> tuple[str, ...]:
    """What the classes of a model are called; those that the data set does not name by number.

    Args:
        dataset: Of :func:`build_samples`.
        num_classes: Of the model.
        split: Where the data set stands, for errors.

    Raises:
        ValueError: Its labels are not what ``metainfo.classes`` calls them.
    """
    names = common_label_names({f'{split}_dataloader': dataset}) or []
    return (*names, *(f'class {label}' for label in range(len(names), num_classes)))


def backend_of(dataset: Any) -> Any:
    """``backend_args`` with which a data set's images are read, None for local files."""
    found = (getattr(each, 'backend_args', None) for each in iterate_datasets(dataset))
    return next((arguments for arguments in found if arguments), None)
