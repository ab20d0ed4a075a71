"""Classes that a training never sees: counted in the batches of its first pass over the data."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmseg.structures import SegDataSample

from labelenc_mm.engine.data.label_names import shown_names


class AbsentClasses:
    """Counts labels in a number of batches, then warns of classes that were in none.

    Args:
        num_classes: K.
        ignore_index: Label of void pixels.
        classes: Names by label, as far as they are known.
        iterations: How many batches, the same on every process.
    """

    def __init__(
        self, num_classes: int, ignore_index: int, classes: Sequence[str] | None, iterations: int
    ) -> None:
        names = list(classes or ())[:num_classes]
        self.names = names + [f'class {label}' for label in range(len(names), num_classes)]
        self.ignore_index = ignore_index
        self.iterations = self._left = iterations
        # Of each class, of void, and of all pixels; once all were seen there is nothing more to find.
        self._counts = torch.zeros(num_classes + 2, dtype=torch.int64)

    def add(self, data_samples: Sequence[SegDataSample]) -> None:
        """Count the labels of a batch; after the last one, warn."""
        if self._left <= 0:
            return
        self._left -= 1
        num_classes = len(self.names)
        if not bool(self._counts[:num_classes].all()):
            for sample in data_samples:
                labels = sample.gt_sem_seg.data.flatten().cpu()
                is_class = (labels >= 0) & (labels < num_classes) & (labels != self.ignore_index)
                self._counts[:num_classes] += torch.bincount(
                    labels[is_class].long(), minlength=num_classes
                )
                self._counts[-2] += (labels == self.ignore_index).sum()
                self._counts[-1] += labels.numel()
        if self._left == 0:
            self._tell()

    def _tell(self) -> None:
        all_reduce(self._counts)
        *counts, void, total = self._counts.tolist()
        absent = [name for name, count in zip(self.names, counts, strict=True) if not count]
        if not absent:
            return
        print_log(
            f'{len(absent)} of {len(self.names)} classes had no pixel in the first {self.iterations} '
            f'iterations: {shown_names(absent)}; {void / max(total, 1):.0%} of the pixels were void '
            f'(label {self.ignore_index}). If these classes should be there, look at classes and '
            'reduce_zero_label of the data set; a mask of 0 and 255 needs 1 in place of 255, which is '
            'void',
            'current',
            logging.WARNING,
        )


def count_first_epoch(runner: Any, model: Any, classes: Sequence[str] | None) -> AbsentClasses:
    """A counter for the first pass over the data of a training that begins now, or as much as there is."""
    head = getattr(model, 'decode_head', model)
    head = head[-1] if isinstance(head, torch.nn.ModuleList) else head
    ignore_index = getattr(head, 'ignore_index', None)
    ignore_index = -1 if ignore_index is None else ignore_index  # no label is void
    iterations = min(len(runner.train_dataloader), runner.max_iters - runner.iter)
    return AbsentClasses(model.num_classes, ignore_index, classes, iterations)
