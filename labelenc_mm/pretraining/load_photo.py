"""Reading of photos for label-free pretraining: reduced where that is enough, refused where damaged."""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.fileio import get
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageOps

from labelenc_mm.pretraining.photo_dataset import PhotoError

ON_TINY = ('enlarge', 'error')
_COARSE = 16  # pixels apart, a first look at whether an image is gray


@TRANSFORMS.register_module()
class LoadPhoto(BaseTransform):
    """Read a photo as (H, W, 3) uint8 in the order BGR, turned as its EXIF data say.

    Gray photos get three equal channels, transparency is dropped, 16 bits a channel become 8. Truncated
    files, of which other decoders make half a picture, are errors, like missing ones and those that are no
    image.

    Args:
        reduce_to: A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which costs as much less, as long as its
            shorter side stays at least this many pixels; None for the full size. To cut boxes of a share
            from ``a`` on, whose sides are as ``r`` to 1 or squarer, and resize them to ``c`` pixels,
            ``c / sqrt(a r)`` enlarges no box: 915 for 224, 8 % and 3/4. Less is faster and blurs the
            smallest boxes.
        min_side: Photos with a shorter side below are tiny.
        on_tiny: 'enlarge' them to it, or 'error'.
        backend_args: Of the file backend.

    Raises:
        PhotoError: When a photo is read; names the file.
    """

    def __init__(
        self,
        reduce_to: int | None = None,
        min_side: int = 1,
        on_tiny: str = 'enlarge',
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        if on_tiny not in ON_TINY:
            raise ValueError(f'LoadPhoto.on_tiny={on_tiny!r} must be one of {ON_TINY}')
        if min_side < 1 or (reduce_to is not None and reduce_to < 1):
            raise ValueError(
                f'LoadPhoto: min_side={min_side} and reduce_to={reduce_to} must be at least 1'
            )
        self.reduce_to = reduce_to
        self.min_side = min_side
        self.on_tiny = on_tiny
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read ``img_path`` into ``img``; ``is_gray`` says whether its channels are equal."""
        path = results['img_path']
        try:
            content = get(path, backend_args=self.backend_args)
        except OSError as error:
            raise PhotoError(
                f'{path} cannot be read ({type(error).__name__}: {error}): restore it, take it out of the '
                'list, or set skip_damaged=True of the data set'
            ) from error
        try:
            with Image.open(BytesIO(content)) as image:
                # Older versions of PIL call the 16 bits of a PNG so.
                if image.mode == 'F' or (image.mode == 'I' and image.format != 'PNG'):
                    raise ValueError('32 bits a channel, of which it is unknown what is white')
                if self.reduce_to is not None:
                    image.draft(None, _smallest_size(image.size, self.reduce_to))
                picture = _as_bgr(ImageOps.exif_transpose(image), self._enlarged_size)
        except Exception as error:  # whatever a decoder says to a damaged file
            raise PhotoError(
                f'{path} is truncated or no image ({type(error).__name__}: {error}): restore it, take it out '
                'of the list, or set skip_damaged=True of the data set'
            ) from error
        shorter = min(picture.shape[:2])
        if shorter < self.min_side:
            raise PhotoError(
                f'{path} is {picture.shape[1]}x{picture.shape[0]} pixels, below the {self.min_side} of '
                "LoadPhoto.min_side: take it out of the list, or set on_tiny='enlarge'"
            )
        results['img'] = picture
        results['img_shape'] = results['ori_shape'] = picture.shape[:2]
        results['is_gray'] = _is_gray(picture)
        return results

    def _enlarged_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """What a photo of (width, height) is resized to, the same for most."""
        if min(size) >= self.min_side or self.on_tiny == 'error':
            return size
        scale = self.min_side / min(size)
        return max(round(size[0] * scale), self.min_side), max(
            round(size[1] * scale), self.min_side
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(reduce_to={self.reduce_to}, min_side={self.min_side}, '
            f'on_tiny={self.on_tiny!r})'
        )


@TRANSFORMS.register_module()
class PackPhotos(PackSegInputs):
    """Pack photos without labels, with what is to be counted: gray ones and damaged ones.

    Args:
        meta_keys: What of the results goes into the sample.
    """

    def __init__(
        self,
        meta_keys: tuple[str, ...] = (
            'img_path',
            'ori_shape',
            'img_shape',
            'is_gray',
            'damaged_photos',
        ),
    ) -> None:
        super().__init__(meta_keys)


def _smallest_size(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """(width, height) of an image whose shorter side is cut down to so many pixels."""
    scale = min(shorter / min(size), 1)
    return max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)


def _as_bgr(image: Image.Image, new_size: Any) -> np.ndarray:
    if image.mode.startswith('I'):  # 16 bits, which PIL would clip
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    image = image.convert('RGB')
    size = new_size(image.size)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)


def _is_gray(picture: np.ndarray) -> bool:
    """Whether the channels are equal; most color photos differ at the first look."""
    return all(
        np.array_equal(part[..., 0], part[..., channel])
        for part in (picture[::_COARSE, ::_COARSE], picture)
        for channel in (1, 2)
    )
