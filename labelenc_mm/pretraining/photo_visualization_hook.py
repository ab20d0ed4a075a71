"""Pictures of a pretraining on photos: input, truth and prediction side by side, in validation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample


class PhotoVisualizationHook(Hook):
    """Base: draws some validation photos, in panels from left to right.

    Levels beyond black and white are clipped for the picture alone. It takes the place of the hook that draws
    label maps: ``default_hooks = dict(visualization=dict(type=...))``.

    Args:
        interval: Photos from one picture to the next; the first one is drawn.
        max_pictures: Of a validation, or of a test.
        draw: Whether to draw; ``tools/test.py --show-dir`` sets it.
        show: Whether to show pictures in a window instead of saving them.
        wait_time: Seconds that each is shown.
    """

    panels: tuple[str, ...]
    """Fields of a sample, each (3, h, w) RGB in gray levels."""
    task: str
    """In the names of the pictures."""

    def __init__(
        self,
        interval: int = 20,
        max_pictures: int = 8,
        draw: bool = True,
        show: bool = False,
        wait_time: float = 0.0,
    ) -> None:
        if interval < 1 or max_pictures < 0:
            raise ValueError(
                f'{type(self).__name__}: interval={interval} must be at least 1, '
                f'max_pictures={max_pictures} at least 0'
            )
        self.interval = interval
        self.max_pictures = max_pictures
        self.draw = draw
        self.show = show
        self.wait_time = wait_time
        self._seen = 0

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin to count."""
        self._seen = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Begin to count."""
        self._seen = 0

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Draw what is due of a batch of validation."""
        self._draw(runner, outputs or (), 'val')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Draw what is due of a batch of a test."""
        self._draw(runner, outputs or (), 'test')

    def _draw(self, runner: Runner, outputs: Sequence[SegDataSample], mode: str) -> None:
        for sample in outputs if self.draw else ():
            number, is_due = divmod(self._seen, self.interval)
            self._seen += 1
            if is_due != 0 or number >= self.max_pictures:
                continue
            name, picture = f'{mode}_{self.task}_{number}', side_by_side(sample, self.panels)
            if self.show:
                runner.visualizer.show(picture, name, self.wait_time)
            else:
                runner.visualizer.add_image(name, picture, runner.iter)


def side_by_side(sample: SegDataSample, panels: Sequence[str]) -> np.ndarray:
    """Fields of a sample as one picture: (h, panels w, 3) uint8 RGB."""
    pictures = [getattr(sample, name).data.permute(1, 2, 0).cpu().numpy() for name in panels]
    return np.concatenate(pictures, axis=1).round().clip(0, 255).astype(np.uint8)
