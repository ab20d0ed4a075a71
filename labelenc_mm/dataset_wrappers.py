"""Data sets inside data sets: repetitions, concatenations, subsets, mixtures of images."""

from collections.abc import Iterator
from typing import Any


def iterate_datasets(dataset: Any) -> Iterator[Any]:
    """Yield a data set and all those that it wraps, however deep, each before what it wraps.

    Args:
        dataset: A data set, or None for none. Wrappers keep one in ``dataset`` or several in
            ``datasets``, as those of mmengine, mmdet, mmseg and torch do.
    """
    if dataset is None:
        return
    yield dataset
    for inner in [getattr(dataset, 'dataset', None), *(getattr(dataset, 'datasets', None) or [])]:
        yield from iterate_datasets(inner)
