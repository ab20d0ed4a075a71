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

_LINE = re.compile(r'(?P<path>.*?\S)(?P<labels>(?:\s+\d+)+)')


@DATASETS.register_module()
class ImageListDataset(PhotoDataset):
    """Images and their classes, one image a line: ``path label [label …]``.

    Labels are the whole numbers at the end of a line, counted from 0. A path may contain spaces, but none
    before a last part that is a number alone.

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
        labels = np.array(match['labels'].split(), dtype=np.int64)
        return {**super().parse_line(match['path']), 'gt_label': labels}

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
                highest = self.parse_line(os.fsdecode(line))['gt_label'].max()
            except PhotoError as error:
                raise PhotoError(
                    f'{self.ann_file}, image {index + 1}: {error}. Write one image a line, "path label '
                    '[label ...]"'
                ) from None
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
        """Pack; ``gt_label.label`` is an int64 tensor, (number of labels,)."""
        packed = super().transform(results)
        label = torch.from_numpy(results['gt_label'])
        packed['data_samples'].gt_label = LabelData(label=label)
        return packed
