"""Predictions for the test server of PASCAL VOC: PNGs of class numbers, with the colours of the classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image


@METRICS.register_module()
class PaletteIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric``, whose files in ``output_dir`` have a palette.

    The files hold the same numbers; mmseg writes them as shades of grey, in which 20 classes all look black.

    Args:
        output_dir: Folder for a PNG an image, named after the image.
        format_only: Whether files are written and nothing is evaluated, for images without labels.
        **kwargs: Of ``IoUMetric``.

    Raises:
        ValueError: There is no ``output_dir``, or, when the test begins, the data set has no palette.
    """

    def __init__(self, output_dir: str, format_only: bool = False, **kwargs: Any) -> None:
        if not output_dir:
            raise ValueError(
                f'output_dir={output_dir!r} of PaletteIoUMetric: name a folder, or use IoUMetric, '
                'which writes no files'
            )
        super().__init__(output_dir=output_dir, format_only=format_only, **kwargs)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Evaluate and write a batch, then give the files their colours."""
        super().process(data_batch, data_samples)
        palette = (self.dataset_meta or {}).get('palette')
        if not palette:
            raise ValueError(
                'PaletteIoUMetric: the data set has no palette; give one in its metainfo, a list of '
                '(red, green, blue) for each class'
            )
        shift = bool(data_samples) and data_samples[0].get('reduce_zero_label', False)
        colours = np.array([[0, 0, 0]] * shift + list(palette), np.uint8)
        for sample in data_samples:
            path = Path(self.output_dir) / f'{Path(sample["img_path"]).stem}.png'
            with Image.open(path) as image:
                image.load()
            image.putpalette(colours.flatten().tolist())
            image.save(path)
