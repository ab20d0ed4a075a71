"""A check that label maps have the size of their images, where both are as they were read.

Further down a pipeline the fault may not show: a resize to a fixed size makes them equal, and a crop cuts
both to the same size from different places.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mmcv.transforms import BaseTransform, LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from labelenc_mm.segmentation.data.label_maps import check_one_channel

_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = (5, 6, 7, 8)  # its values that exchange height and width


@TRANSFORMS.register_module()
class CheckLabelMapSize(BaseTransform):
    """Refuse a label map of another size than its image, in colours or of too many bits.

    It follows ``LoadAnnotations``.
    """

    def transform(self, results: dict) -> dict:
        """Compare ``gt_seg_map`` with ``ori_shape``, the size in which the image was read.

        Raises:
            ValueError: They differ, the map is a picture in colours, or has labels above 255, of which
                ``LoadAnnotations`` keeps the lower 8 bits; names the files.
        """
        check_bits(results.get('seg_map_path'))
        check_one_channel(results['gt_seg_map'].shape, str(results.get('seg_map_path')))
        found, expected = (
            tuple(map(int, shape[:2]))
            for shape in (results['gt_seg_map'].shape, results['ori_shape'])
        )
        if found != expected:
            raise ValueError(
                f'{results.get("seg_map_path")}: the label map has (height, width) {found}, its image '
                f'{results.get("img_path")} has {expected}'
            )
        return results


def check_bits(path: str | None) -> None:
    """Refuse a label map with labels that do not fit into 8 bits, by its header where it has no more.

    Args:
        path: A file; one in another storage, or that Pillow does not know, is not looked at.

    Raises:
        ValueError: It has larger labels; names it.
    """
    if path is None:
        return
    try:
        with Image.open(path) as image:
            largest = image.getextrema()[1] if image.mode.startswith('I') else 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return
    if isinstance(largest, int) and largest > 255:
        raise ValueError(
            f'{path}: the label map has labels up to {largest}, of which LoadAnnotations keeps the lower 8 '
            'bits. Save class numbers below 255, and void as 255, as a grey or palette image of 8 bits'
        )


def check_size_in_header(results: Mapping[str, Any], found: tuple[int, ...]) -> None:
    """Compare a label map with the header of its image, of which nothing else is read.

    An image that is missing, lies in another storage or in a format that Pillow does not know has no
    header to compare with. EXIF may turn an image by 90 degrees when it is loaded.

    Args:
        results: Of a pipeline, with ``img_path`` and ``seg_map_path``.
        found: (height, width) of the label map as read.

    Raises:
        ValueError: They differ; names both files.
    """
    path = results.get('img_path')
    if path is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            width, height = image.size
            # Asked for last: Pillow decodes a PNG for its EXIF.
            is_turned = found == (width, height) != (height, width) and (
                image.getexif().get(_ORIENTATION, 1) in _TURNED
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return
    if found != (height, width) and not is_turned:
        raise ValueError(
            f'{results.get("seg_map_path")}: the label map has (height, width) {found}, its image {path} '
            f'has {height, width}'
        )


def check_sizes(transforms: Sequence[Any]) -> list[Any]:
    """The same pipeline with :class:`CheckLabelMapSize` after every ``LoadAnnotations``."""
    checked: list[Any] = []
    for transform, following in zip_longest(transforms, transforms[1:]):
        checked.append(transform)
        if isinstance(transform, LoadAnnotations) and not isinstance(following, CheckLabelMapSize):
            checked.append(CheckLabelMapSize())
    return checked
