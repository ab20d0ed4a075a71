"""Surface normals in a pipeline: from a file to the sample, mirrored as the photo is.

The map is one of the ``seg_fields``: mmseg's ``Resize`` takes the nearest pixel of it and its
``RandomCrop`` cuts it with the photo, so that vectors keep their length and what has no normal, the zero
vector, stays apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs, RandomFlip
from mmseg.registry import TRANSFORMS
from torch import from_numpy

from labelenc_mm.datasets.normals.normal_maps import ENCODINGS, NormalMapError, read_normals
from labelenc_mm.segmentation.surface_normals.mirrored import MIRRORED

_FLIP = 'flip_of_gt_normals'  # the last flip that the signs know of


@TRANSFORMS.register_module()
class LoadNormals(BaseTransform):
    """Read ``gt_normals`` from ``normal_map_path``: (H, W, 3) float32 unit vectors, zero where there is none.

    Follows ``LoadImageFromFile``. Components are x to the right, y up, z to the camera.

    Args:
        dtype: Of the files: 'uint8' or 'uint16' for RGB pictures, 'float32' for arrays (``.npy``).
        zero: Value that stands for 0; by default 128, 32768 or 0, by the type.
        scale: Difference to the value that stands for 1; by default 127, 32767 or 1. Files in which 0 to 255
            are -1 to 1 have ``zero=127.5, scale=127.5``.
        signs: Of x, y and z in the files, 1 or -1 each: (1, -1, 1) where y points down.
        backend_args: Of the file backend.

    Raises:
        ValueError: An argument is none of these.
        NormalMapError: When a file is read: it is damaged, of another encoding, or of another size than its
            photo; names it.
    """

    def __init__(
        self,
        dtype: str = 'uint8',
        zero: float | None = None,
        scale: float | None = None,
        signs: Sequence[int] = (1, 1, 1),
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        if dtype not in ENCODINGS:
            raise ValueError(f'LoadNormals.dtype={dtype!r} must be one of {", ".join(ENCODINGS)}')
        if scale is not None and scale <= 0:
            raise ValueError(f'LoadNormals.scale={scale} must be positive; signs turn components')
        if len(signs) != 3 or any(sign not in (1, -1) for sign in signs):
            raise ValueError(f'LoadNormals.signs={signs} must be three of 1 and -1')
        self.options = dict(dtype=dtype, zero=zero, scale=scale, signs=tuple(signs))
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read the map of a sample."""
        path = results['normal_map_path']
        normals = read_normals(path, backend_args=self.backend_args, **self.options)  # type: ignore[arg-type]
        size = tuple(map(int, results['ori_shape'][:2]))
        if normals.shape[:2] != size:
            raise NormalMapError(
                f'{path}: the map of normals has (height, width) {normals.shape[:2]}, its photo '
                f'{results.get("img_path")} has {size}: restore the pair'
            )
        results['gt_normals'] = normals
        results[_FLIP] = results.get('flip_direction')  # before, as in test-time augmentation
        results.setdefault('seg_fields', []).append('gt_normals')
        return results

    def __repr__(self) -> str:
        options = ', '.join(f'{key}={value!r}' for key, value in self.options.items())
        return f'{type(self).__name__}({options})'


@TRANSFORMS.register_module()
class RandomFlipNormals(RandomFlip):
    """mmseg's ``RandomFlip``, which turns the normals with the photo: a mirrored wall faces the other way.

    A horizontal flip changes the sign of x, a vertical one that of y.
    """

    def transform(self, results: dict) -> dict:
        """Flip, or not."""
        results = super().transform(results)
        results[_FLIP] = results['flip_direction']
        return results

    def _flip(self, results: dict) -> None:
        super()._flip(results)
        if 'gt_normals' in results:
            signs = np.array(MIRRORED[results['flip_direction']], np.float32)
            results['gt_normals'] = results['gt_normals'] * signs


@TRANSFORMS.register_module()
class PackNormals(PackSegInputs):
    """mmseg's ``PackSegInputs``, which packs ``gt_normals`` too: (3, H, W).

    Raises:
        ValueError: The photo was flipped by another transform than :class:`RandomFlipNormals`, which leaves
            the signs; names the file.
    """

    def transform(self, results: dict) -> dict:
        """Pack."""
        if 'gt_normals' in results and results.get(_FLIP) != results.get('flip_direction'):
            raise ValueError(
                f'{results.get("normal_map_path")}: the map was flipped '
                f'({results.get("flip_direction")}) and its vectors were not: take RandomFlipNormals in the '
                'place of RandomFlip'
            )
        packed = super().transform(results)
        if 'gt_normals' in results:
            maps = np.ascontiguousarray(results['gt_normals'].transpose(2, 0, 1))
            packed['data_samples'].set_data(dict(gt_normals=PixelData(data=from_numpy(maps))))
        return packed
