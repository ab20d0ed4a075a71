"""Workers of an iteration-based training that start when the first batch is asked for.

Upstream mmengine starts them as it builds the loop, so that they work with the pipelines and the seed
of before any hook has run; the fork waits. Epoch-based loops start them at every epoch.
"""

from typing import Any

from torch.utils.data import DataLoader


def start_workers_late(runner: Any) -> None:
    """Drop the workers that a loop has started already; call it in ``before_run``.

    Args:
        runner: An mmengine Runner whose training loop is built.
    """
    iterator: Any = getattr(runner._train_loop, 'dataloader_iterator', None)
    started = getattr(iterator, '_iterator', None)
    if started is None or isinstance(started, _LateIterator):
        return
    dataloader = runner._train_loop.dataloader
    dataloader._iterator = None  # persistent workers, which would serve again
    iterator._iterator = _LateIterator(dataloader)


class _LateIterator:
    """An iterator over a dataloader that is created with the first batch."""

    def __init__(self, dataloader: DataLoader) -> None:
        self.dataloader = dataloader
        self.iterator: Any = None

    def __iter__(self) -> '_LateIterator':
        return self

    def __next__(self) -> Any:
        if self.iterator is None:
            self._rewind()
            self.iterator = iter(self.dataloader)
        return next(self.iterator)

    def _rewind(self) -> None:
        """Begin an endless sampler anew, which has drawn what the dropped workers were to load."""
        sampler: Any = self.dataloader.batch_sampler
        while sampler is not None:  # a batch sampler wraps a sampler
            if hasattr(sampler, 'indices') and hasattr(sampler, '_indices_of_rank'):
                sampler.indices = sampler._indices_of_rank()
            # mmdet's group images by shape. The group that was handed out last is still there: with one
            # image more it would be larger than a batch, and never handed out again.
            for name in ('_aspect_ratio_buckets', '_buckets'):
                for bucket in getattr(sampler, name, ()):
                    bucket.clear()
            sampler = getattr(sampler, 'sampler', None)
