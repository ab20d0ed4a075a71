"""A data set in a format of your own: one CSV file of boxes."""

import csv
from pathlib import Path
from typing import Any

from mmcv import imread
from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class CSVDetectionDataset(BaseDetDataset):
    """Boxes from a CSV file with the columns ``image, label, x1, y1, x2, y2`` in pixels.

    An image without objects has one line with an empty ``label``. ``ann_file`` is the CSV file and
    ``data_prefix['img']`` the folder of the images.
    """

    METAINFO = {'classes': ('box', 'bag', 'tube')}

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the file into one entry per image, in the form that MMDetection asks for."""
        label_of = {name: label for label, name in enumerate(self.metainfo['classes'])}
        images: dict[str, dict[str, Any]] = {}
        with open(self.ann_file, newline='', encoding='utf-8') as file:
            for row in csv.DictReader(file):
                name = row['image']
                if name not in images:
                    images[name] = self._describe_image(name, len(images))
                if not row['label']:
                    continue
                if row['label'] not in label_of:
                    raise ValueError(
                        f'{self.ann_file}: {name} has label {row["label"]!r}, which is none of '
                        f'{tuple(label_of)}'
                    )
                images[name]['instances'].append(
                    {
                        'bbox': [float(row[key]) for key in ('x1', 'y1', 'x2', 'y2')],
                        'bbox_label': label_of[row['label']],
                        'ignore_flag': 0,
                    }
                )
        return list(images.values())

    def _describe_image(self, name: str, index: int) -> dict[str, Any]:
        path = Path(self.data_prefix['img']) / name
        height, width = imread(path).shape[:2]
        return {
            'img_path': str(path),
            'img_id': index,
            'height': height,
            'width': width,
            'instances': [],
        }
