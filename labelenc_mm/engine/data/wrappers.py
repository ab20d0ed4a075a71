"""Data sets inside data sets: repetitions, concatenations, subsets, mixtures of images."""

from collections.abc import Iterator, Mapping
from typing import Any


def iterate_datasets(dataset: Any) -> Iterator[Any]:
    """Yield a data set and all those that it wraps, however deep, each before what it wraps.

    Args:
        dataset: A data set, or None for none. Wrappers keep one in ``dataset`` or several in
            ``datasets``, as those of mmengine, mmdet, mmseg and torch do. What mmengine puts around one to
            train a few batches of an epoch alone (``num_batch_per_epoch``) is passed over.
    """
    if dataset is None:
        return
    if '_dataset' in getattr(dataset, '__dict__', ()):
        yield from iterate_datasets(dataset._dataset)
        return
    yield dataset
    for inner in [getattr(dataset, 'dataset', None), *(getattr(dataset, 'datasets', None) or [])]:
        yield from iterate_datasets(inner)


def loading_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets that read files, below wrappers.

    Args:
        dataset: A data set, or None for none.
    """
    for part in iterate_datasets(dataset):
        if len([*iterate_datasets(part)]) == 1:
            yield part


def loading_configs(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the configs of the data sets that read files, below wrappers.

    Args:
        config: Of a data set. One that is built already gives nothing.
    """
    if not isinstance(config, Mapping):
        return
    inner = [*config.get('datasets', []), *([config['dataset']] if 'dataset' in config else [])]
    if not inner:
        yield config
    for each in inner:
        yield from loading_configs(each)
