from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from labelenc_mm.pretraining.denoising.denoising_visualization_hook import (
    DenoisingVisualizationHook,
)


class Visualizer:
    def __init__(self):
        self.pictures = {}

    def add_image(self, name, picture, step):
        self.pictures[name] = picture, step


def sample(level):
    result = SegDataSample()
    for name, value in dict(clean=level, noisy=-40.0, restored=300.2).items():
        data = torch.full((3, 4, 5), float(value))
        data[0] += 1  # red
        result.set_field(PixelData(data=data), name, dtype=PixelData)
    return result


def test_every_third_photo_is_drawn_and_no_more_than_asked():
    hook = DenoisingVisualizationHook(interval=3, max_pictures=2)
    runner = SimpleNamespace(visualizer=Visualizer(), iter=7)
    for _ in range(2):  # the count begins anew
        hook.before_val_epoch(runner)
        for batch in range(5):
            outputs = [sample(10 * batch), sample(10 * batch + 5)]
            hook.after_val_iter(runner, batch, None, outputs)
        assert list(runner.visualizer.pictures) == ['val_denoising_0', 'val_denoising_1']
    first, second = (picture for picture, _ in runner.visualizer.pictures.values())
    assert first.shape == (4, 15, 3)
    assert first.dtype == np.uint8
    assert first[0, 0].tolist() == [1, 0, 0]
    assert second[0, 0].tolist() == [16, 15, 15]  # sample 3, the second one of batch 1
    assert first[0, 5].tolist() == [0, 0, 0]  # clipped
    assert first[0, 14].tolist() == [255, 255, 255]


def test_pictures_are_shown_instead_or_not_at_all():
    """As tools/test.py --show asks for."""
    shown = []
    visualizer = Visualizer()
    visualizer.show = lambda *args: shown.append(args[1:])
    runner = SimpleNamespace(visualizer=visualizer, iter=0)
    for options in (dict(show=True, wait_time=2), dict(draw=False)):
        hook = DenoisingVisualizationHook(interval=1, **options)
        hook.before_test_epoch(runner)
        hook.after_test_iter(runner, 0, None, [sample(0), sample(5)])
    assert shown == [('test_denoising_0', 2), ('test_denoising_1', 2)]
    assert not visualizer.pictures


@pytest.mark.parametrize('options', [dict(interval=0), dict(max_pictures=-1)])
def test_numbers_that_are_refused(options):
    with pytest.raises(ValueError, match='must be at least 1'):
        DenoisingVisualizationHook(**options)
