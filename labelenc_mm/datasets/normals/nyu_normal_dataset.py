"""Photos with a surface normal at every pixel, such as NYU Depth V2 (Silberman et al., ECCV 2012)."""

from typing import Any

from mmengine.fileio import exists, join_path
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from labelenc_mm.datasets.normals.normal_maps import NormalMapError

_FOLDERS = dict(img_path='images', normal_map_path='normals')


@DATASETS.register_module()
class NYUNormalDataset(BaseSegDataset):
    """Surface normals of indoor photos.

    =================== =======================================================================
    file                what
    =================== =======================================================================
    ``images/ID.jpg``   photo
    ``normals/ID.png``  8-bit RGB, (v - 128) / 127: x right, y up, z to the camera; 0 for no normal
    ``train.txt`` …     IDs of a split, one a line
    =================== =======================================================================

    Other encodings of the maps are read by options of :class:`LoadNormals`.

    Args:
        ann_file: List of a split below ``data_root``; without it all photos of the folder.
        data_root: Folder of the data.
        data_prefix: Folders of photos and of maps below it.
        normal_map_suffix: Of the maps.
        kwargs: Of mmseg's ``BaseSegDataset``: ``pipeline``, ``img_suffix``, ``indices``, ``test_mode`` …

    Raises:
        NormalMapError: There is no such list, or no photo.
    """

    METAINFO: dict = dict(classes=(), palette=[])  # mmseg asks for classes in testing

    def __init__(
        self,
        ann_file: str = '',
        data_root: str | None = None,
        data_prefix: dict[str, str] = _FOLDERS,
        normal_map_suffix: str = '.png',
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix,
            seg_map_suffix=normal_map_suffix,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """What is known of each photo before it is read."""
        if self.ann_file and not exists(self.ann_file, backend_args=self.backend_args):
            raise NormalMapError(
                f'{type(self).__name__}.ann_file: there is no list {self.ann_file}. Correct it or data_root'
            )
        samples = super().load_data_list()
        if not samples:
            raise NormalMapError(
                f'{type(self).__name__}: no photo {self.img_suffix} in '
                f'{self.ann_file or self.data_prefix.get("img_path")}. Correct data_root or img_suffix'
            )
        photos, maps = (self.data_prefix.get(key, '') for key in ('img_path', 'normal_map_path'))
        for sample in samples:
            name = sample['img_path'].removeprefix(photos).lstrip('/')
            name = name.removesuffix(self.img_suffix) + self.seg_map_suffix
            sample['normal_map_path'] = join_path(maps, name, backend_args=self.backend_args)
        return samples
