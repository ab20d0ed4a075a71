"""Files of surface normals: pictures whose colours are the components, or arrays."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from mmengine.fileio import get
from numpy.typing import NDArray

from labelenc_mm.errors import LabelEncMMError

ENCODINGS = {'uint8': (128.0, 127.0), 'uint16': (32768.0, 32767.0), 'float32': (0.0, 1.0)}
"""What is zero and what is one in a file of each type, by default."""

_SHORTEST = 0.5  # a vector below it is no direction, as (128, 128, 128) in a picture
_NOTHING = 0.02  # what rounding leaves of the zero vector
_TOLERANCE = 0.1  # of lengths; 8 bits round by less than 0.01
_BACKWARDS = -0.2  # of z; at the rim of a photo a visible surface may look away from its middle


class NormalMapError(LabelEncMMError, ValueError):
    """A map of normals that cannot be used; names the file and a remedy."""


def read_normals(
    path: str,
    dtype: str = 'uint8',
    zero: float | None = None,
    scale: float | None = None,
    signs: Sequence[int] = (1, 1, 1),
    backend_args: dict[str, Any] | None = None,
) -> NDArray[np.float32]:
    """Read unit vectors: x right, y up, z to the camera; zero where there is none.

    Args:
        path: Of an RGB picture, or of a ``.npy`` with an array (H, W, 3).
        dtype: Of the file, a key of :data:`ENCODINGS`.
        zero: Value of the file that stands for 0; by default that of the type.
        scale: Difference to the value that stands for 1; likewise.
        signs: Of x, y and z in the file, 1 or -1 each.
        backend_args: Of the file backend.

    Returns:
        (H, W, 3).

    Raises:
        NormalMapError: The file is missing, damaged, of another kind, or its vectors have not the length 1 or
            look away from the camera.
    """
    values = _decode(path, backend_args)
    if values.dtype != dtype or values.ndim != 3 or values.shape[2] != 3:
        raise NormalMapError(
            f'{path} has {values.dtype} values of shape {values.shape}, expected {dtype} and 3 channels: '
            'set the dtype of LoadNormals, or write the map without gray or alpha'
        )
    default_zero, default_scale = ENCODINGS[dtype]
    normals = values.astype(np.float32)
    normals -= default_zero if zero is None else zero
    normals /= default_scale if scale is None else scale
    normals *= np.asarray(signs, np.float32)
    lengths = np.linalg.norm(normals, axis=2)
    is_written = values.any(axis=2)
    known = is_written & (lengths > _SHORTEST)
    # Where all are short, either none is a direction, or all are on another scale.
    length = (
        float(np.median(lengths[known if known.any() else is_written])) if is_written.any() else 0
    )
    if length < _NOTHING:
        return np.zeros_like(normals)
    if not abs(length - 1) < _TOLERANCE:
        raise NormalMapError(
            f'{path}: the vectors have a length of {length:.3g} (median), expected 1: set zero and scale of '
            'LoadNormals to the values that stand for 0 and 1'
        )
    if np.median(normals[known][:, 2]) < _BACKWARDS:
        raise NormalMapError(
            f'{path}: most normals look away from the camera; z must point to it: set signs=(1, 1, -1), or '
            'as the data have them, in LoadNormals'
        )
    return np.where(known[..., None], normals / np.maximum(lengths, _SHORTEST)[..., None], 0)


def _decode(path: str, backend_args: dict[str, Any] | None) -> NDArray[Any]:
    try:
        content = get(path, backend_args=backend_args)
        if path.endswith('.npy'):
            return np.load(BytesIO(content), allow_pickle=False)
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, ValueError, EOFError, cv2.error) as error:
        raise NormalMapError(
            f'{path} cannot be read ({type(error).__name__}: {error}): restore it, or take its photo out of '
            'the list'
        ) from error
    if picture is None:
        raise NormalMapError(
            f'{path} is no picture or damaged: restore it, or take its photo out of the list'
        )
    return picture[..., ::-1] if picture.ndim == 3 and picture.shape[2] == 3 else picture
