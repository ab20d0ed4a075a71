"""Images with the classes of the whole image, from a list: what image classifiers learn from."""

import os
import re
from typing import Any

import numpy as np
import torch
from mmengine.structures import LabelData
from mmseg.registry import DATASETS, TRANSFORMS

from labelenc_mm.pretraining.load_photo import PackPhotos
from labelenc_mm.pretraining.photo_dataset import PhotoDataset, PhotoError

_LINE = re.compile(r'(?P<path>.*?\S)(?P<labels>(?:\s+\d+\??)+)')


@DATASETS.register_module()
class ImageListDataset(PhotoDataset):
    """Images and their classes, one image a line: ``path label [label …]``.

    Labels are the whole numbers at the end of a line, counted from 0. One with a question mark behind it,
    ``photo.jpg 14 8?``, is ignored: the image neither shows the class nor lacks it, as one of VOC 2007 whose
    only objects of the class are "difficult". A path may contain spaces, but none before a last part that is
    a number alone.

    Args:
        ann_file: The list.
        num_classes: Number of classes; by default that of ``metainfo['classes']``.
        kwargs: Of :class:`PhotoDataset`.

    Raises:
        PhotoError: A line has no label, or one that is no class; names list and line.
    """

    def __init__(self, ann_file: str, num_classes: int | None = None, **kwargs: Any) -> None:
        if not ann_file:
            raise PhotoError(
                f'{type(self).__name__} has no ann_file: the labels of images stand in a list'
            )
        self.num_classes = num_classes
        super().__init__(ann_file=ann_file, **kwargs)

    def parse_line(self, line: str) -> dict[str, Any]:
        """Path and labels of a line."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise PhotoError(f'{line!r} is no path with labels behind it')
        shown: list[int] = []
        ignored: list[int] = []
        for label in match['labels'].split():
            (ignored if label.endswith('?') else shown).append(int(label.rstrip('?')))
        if both := {*shown} & {*ignored}:
            raise PhotoError(f'{line!r} has {both.pop()} both with and without a question mark')
        return {
            **super().parse_line(match['path']),
            'gt_label': np.array(shown, dtype=np.int64),
            'ignored_label': np.array(ignored, dtype=np.int64),
        }

    def _list(self) -> list[bytes]:
        names = self.metainfo.get('classes')
        number = len(names) if self.num_classes is None and names else self.num_classes
        if number is None:
            raise PhotoError(
                f'{type(self).__name__}: neither num_classes nor metainfo.classes says how many classes '
                f'{self.ann_file} has'
            )
        lines = super()._list()
        for index, line in enumerate(lines):
            try:
                info = self.parse_line(os.fsdecode(line))
            except PhotoError as error:
                raise PhotoError(
                    f'{self.ann_file}, image {index + 1}: {error}. Write one image a line, "path label '
                    '[label ...]"'
                ) from None
            highest = max([*info['gt_label'], *info['ignored_label']])
            if highest >= number:
                raise PhotoError(
                    f'{self.ann_file}, image {index + 1} ({os.fsdecode(line)!r}): label {highest} is none of '
                    f'{number} classes, which are counted from 0. Correct the list or num_classes'
                )
        return lines


@TRANSFORMS.register_module()
class PackClassInputs(PackPhotos):
    """Pack images with their classes, as ``gt_label``."""

    def transform(self, results: dict) -> dict:
        """Pack; ``gt_label.label`` and ``gt_label.ignored`` are int64 tensors, (number of labels,)."""
        packed = super().transform(results)
        packed['data_samples'].gt_label = LabelData(
            label=torch.from_numpy(results['gt_label']),
            ignored=torch.from_numpy(results['ignored_label']),
        )
        return packed
