"""Rows of pictures: images come through the backend of their data set."""

import mmengine.fileio
import pytest
from compared_models import DETECTOR, write_inputs

from labelenc_mm.analysis.comparison import read_image


def test_images_come_through_another_backend(tmp_path, monkeypatch):
    inputs = write_inputs(tmp_path, DETECTOR, 'mmdet')
    seen = []
    original = mmengine.fileio.get
    monkeypatch.setattr(
        mmengine.fileio,
        'get',
        lambda p, backend_args=None: seen.append(backend_args) or original(p),
    )
    backend = {'backend': 'local'}

    class Sample:
        metainfo = {'img_path': str(inputs / 'shapes/images/val/000000.png')}

    assert read_image(Sample, backend).shape == (64, 96, 3) and seen == [backend]
    Sample.metainfo = {}
    with pytest.raises(ValueError, match='add img_path to meta_keys'):
        read_image(Sample, None)
