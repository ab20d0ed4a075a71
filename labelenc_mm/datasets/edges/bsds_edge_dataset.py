"""BSDS500: photos with the boundaries that several people drew (Arbelaez et al., PAMI 2011)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.fileio import exists, join_path, load
from mmengine.utils import is_abs
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from labelenc_mm.datasets.edges.annotations import EdgeAnnotationError


@DATASETS.register_module()
class BSDSEdgeDataset(BaseSegDataset):
    """Edge detection with all annotators of each image, as ``tools/dataset_converters/bsds.py`` writes it.

    ========================== =====================================================================
    file                       what
    ========================== =====================================================================
    ``images/ID.jpg``          photo
    ``boundaries/ID.png``      16-bit gray PNG whose bit k is the map of annotator k
    ``annotators.json``        ``{"ID": {"annotators": 5, ...}, ...}``
    ``train.txt`` …            IDs of a split, one a line
    ========================== =====================================================================

    Args:
        ann_file: List of a split below ``data_root``, or several: published figures train on ``train.txt``
            and ``val.txt``.
        data_root: Folder of the data.
        data_prefix: Folders of photos and annotations below it.
        annotators_file: Numbers of annotators below ``data_root``; None, or where there is none, for the
            highest annotator of an image that marks anything.
        kwargs: Of mmseg's ``BaseSegDataset``: ``pipeline``, ``img_suffix``, ``indices``, ``test_mode`` …

    Raises:
        FileNotFoundError: There is no such list.
        EdgeAnnotationError: An image is not in ``annotators_file``, or has no annotator.
    """

    METAINFO = dict(classes=('background', 'edge'), palette=[[0, 0, 0], [255, 255, 255]])

    def __init__(
        self,
        ann_file: str | Sequence[str] = '',
        data_root: str | None = None,
        data_prefix: Mapping[str, str] = dict(img_path='images', seg_map_path='boundaries'),
        annotators_file: str | None = 'annotators.json',
        **kwargs: Any,
    ) -> None:
        self.annotators_file = annotators_file
        self._lists = (ann_file,) if isinstance(ann_file, str) else tuple(ann_file)
        super().__init__(
            ann_file=self._lists[0], data_root=data_root, data_prefix=data_prefix, **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """What is known of each image before it is read; ``num_annotators`` among it."""
        samples = []
        for name in self._lists:
            self.ann_file = self._below_root(name) if name else ''
            if name and not Path(self.ann_file).is_file():
                raise FileNotFoundError(
                    f'{type(self).__name__}.ann_file: there is no list {self.ann_file}'
                )
            samples += super().load_data_list()
        paths: dict[str, str] = {}
        for sample in samples:
            other = paths.setdefault(Path(sample['img_path']).stem, sample['img_path'])
            if other != sample['img_path']:
                raise EdgeAnnotationError(
                    f'{other} and {sample["img_path"]} have one name, by which annotators and predictions '
                    'are found: rename one'
                )
        path = self._below_root(self.annotators_file or '')
        is_known = self.annotators_file and exists(path, backend_args=self.backend_args)
        known = load(path, backend_args=self.backend_args) if is_known else None
        for sample in samples:
            number = _number(known, sample['img_path'], path) if is_known else None
            sample['num_annotators'] = number
        return samples

    def _below_root(self, name: str) -> str:
        if self.data_root is None or is_abs(name):
            return name
        return join_path(self.data_root, name, backend_args=self.backend_args)


def _number(known: Any, img_path: str, path: str) -> int:
    name = Path(img_path).stem
    try:
        number = int(known[name]['annotators'])
    except (KeyError, TypeError, ValueError) as error:
        raise EdgeAnnotationError(
            f'{path} does not say how many annotators {img_path} has: it needs '
            f'{{"{name}": {{"annotators": NUMBER}}}}'
        ) from error
    if number < 1:
        raise EdgeAnnotationError(
            f'{path}: {img_path} has {number} annotators: take it out of the list'
        )
    return number
