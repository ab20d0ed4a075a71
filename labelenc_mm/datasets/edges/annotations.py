"""Files of edge annotations: one PNG an image, whose bit k is the map of annotator k."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.fileio import get
from numpy.typing import NDArray
from PIL import Image

from labelenc_mm.errors import LabelEncMMError

MAX_ANNOTATORS = 16
"""Bits of a gray level."""


class EdgeAnnotationError(LabelEncMMError, ValueError):
    """An edge annotation that cannot be used; names the file and a remedy."""


def read_annotators(
    path: str, number: int | None = None, backend_args: dict[str, Any] | None = None
) -> NDArray[np.bool_]:
    """Read the maps of all annotators of an image.

    Args:
        path: Of a PNG with one channel of 16 (or 8) bits.
        number: Of annotators; None for the highest one that marks anything.
        backend_args: Of the file backend.

    Returns:
        (K, H, W).

    Raises:
        EdgeAnnotationError: The file is missing, damaged or of another kind, or has marks of nobody or of
            more annotators than there are.
    """
    try:
        with Image.open(BytesIO(get(path, backend_args=backend_args))) as image:
            mode, bits = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise EdgeAnnotationError(
            f'{path} cannot be read ({type(error).__name__}: {error}): restore it, or take its image out of '
            'the list'
        ) from error
    # Older versions of PIL have the 16 bits of a PNG as whole numbers of 32.
    if mode not in ('L', 'I;16', 'I', 'I;16B'):
        raise EdgeAnnotationError(
            f'{path} is a picture of mode {mode}, expected one gray channel of 16 bits, of which bit k is '
            'the map of annotator k: tools/dataset_converters/bsds.py makes such files'
        )
    highest = int(bits.max()).bit_length()
    number = highest if number is None else number
    if number > MAX_ANNOTATORS:
        raise EdgeAnnotationError(
            f'{path} has room for {MAX_ANNOTATORS} annotators, but annotators.json says that '
            f'there are {number}'
        )
    if not number:
        raise EdgeAnnotationError(
            f'{path} is of no annotator: take its image out of the list, or write their number into '
            'annotators.json'
        )
    if highest > number:
        raise EdgeAnnotationError(
            f'{path} has marks of annotator {highest}, but annotators.json says that there are {number}: '
            'both are written by tools/dataset_converters/bsds.py'
        )
    return np.stack([(bits >> k & 1).astype(bool) for k in range(number)])


def write_annotators(path: Path, maps: Sequence[NDArray[np.bool_]]) -> None:
    """Write the maps of all annotators of an image.

    Args:
        path: Of the PNG.
        maps: K maps of (H, W).

    Raises:
        EdgeAnnotationError: There are none, too many, or of different sizes.
    """
    sizes = {each.shape for each in maps}
    if not 1 <= len(maps) <= MAX_ANNOTATORS or len(sizes) > 1:
        raise EdgeAnnotationError(
            f'{path}: {len(maps)} annotators with maps of (height, width) {sorted(sizes)}, expected 1 to '
            f'{MAX_ANNOTATORS} of one size'
        )
    bits = sum(each.astype(np.uint16) << k for k, each in enumerate(maps))
    if not cv2.imwrite(str(path), bits):
        raise OSError(f'{path} cannot be written')
