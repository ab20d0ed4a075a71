"""Pictures: which samples are shown, and that files are whole."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from labelenc_mm.analysis.pictures import save_figure, save_image, spread_evenly


def test_samples_are_spread_from_the_first_to_the_last():
    assert spread_evenly(3, 8) == [0, 4, 7]
    assert spread_evenly(1, 8) == [0]
    assert spread_evenly(9, 3) == [0, 1, 2]  # each once


def test_a_picture_is_complete_or_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / 'regions.png'
    figure = Figure(figsize=(1, 1))
    save_figure(path, figure, dpi=100)
    before = path.read_bytes()
    assert Image.open(path).size == (100, 100)

    def fail(unfinished, **options):
        unfinished.write_bytes(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(figure, 'savefig', fail)
    with pytest.raises(OSError, match='disk full'):
        save_figure(path, figure, dpi=100)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_image_keeps_its_pixels_and_colours(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    save_image(tmp_path / 'new folder' / 'x.png', image)
    assert np.array_equal(cv2.imread(str(tmp_path / 'new folder' / 'x.png')), image)
