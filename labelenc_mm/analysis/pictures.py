"""Pictures of samples: which samples are shown, and files that are complete or not there."""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from labelenc_mm.files import replacing


def spread_evenly(count: int, length: int) -> list[int]:
    """Numbers of ``count`` samples out of ``length``, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, count).round().astype(int)).tolist()


def save_figure(path: Path, figure: Figure, dpi: int = 120) -> None:
    """Write a figure."""
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=dpi)


def save_image(path: Path, image: np.ndarray) -> None:
    """Write a (H, W, 3) BGR image as PNG."""
    with replacing(path) as unfinished:  # imwrite reports a full disk only by returning False
        unfinished.write_bytes(cv2.imencode('.png', image)[1].tobytes())
