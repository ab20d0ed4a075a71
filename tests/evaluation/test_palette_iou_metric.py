"""Files for PASCAL VOC's test server, beside those of mmseg's metric."""

import numpy as np
import pytest
import torch
from mmseg.datasets import PascalVOCDataset
from mmseg.evaluation import IoUMetric
from PIL import Image

from labelenc_mm.evaluation import PaletteIoUMetric

PALETTE = PascalVOCDataset.METAINFO['palette']


def sample(**more):
    labels = torch.arange(21).view(1, 3, 7)
    return dict(pred_sem_seg=dict(data=labels), img_path='JPEGImages/2008_000001.jpg', **more)


def evaluate(kind, folder, meta, data, **options):
    metric = kind(output_dir=str(folder), **options)
    metric.dataset_meta = meta
    metric.process({}, [data])
    with Image.open(folder / '2008_000001.png') as image:
        image.load()
    return metric, image


def test_numbers_are_mmsegs_and_colours_those_of_the_classes(tmp_path):
    _, ours = evaluate(
        PaletteIoUMetric, tmp_path, PascalVOCDataset.METAINFO, sample(), format_only=True
    )
    _, stock = evaluate(
        IoUMetric, tmp_path / 'stock', PascalVOCDataset.METAINFO, sample(), format_only=True
    )
    assert ours.mode == 'P' and np.array_equal(np.array(ours), np.array(stock))
    # VOC's colour map: the bits of a class number, in turn, are the upper bits of red, green and blue.
    for label, colour in enumerate(np.array(ours.convert('RGB')).reshape(-1, 3).tolist()):
        bits = [label >> i & 1 for i in range(6)]
        expected = [bits[c] << 7 | bits[c + 3] << 6 for c in range(3)]
        assert colour == expected == PALETTE[label]


def test_evaluates_too_where_there_are_labels(tmp_path):
    meta = dict(classes=('a', 'b') * 11, palette=[[i, 0, 0] for i in range(22)])
    truth = torch.arange(21).view(1, 3, 7)
    data = sample(gt_sem_seg=dict(data=truth), reduce_zero_label=True)
    metric, image = evaluate(PaletteIoUMetric, tmp_path, meta, data)
    assert metric.evaluate(1)['aAcc'] == 100
    # Files of such data sets count from 1, as their labels do.
    assert np.array(image).min() == 1
    assert np.array(image.convert('RGB'))[0, 3].tolist() == [3, 0, 0]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="output_dir='' of PaletteIoUMetric: name a folder"):
        PaletteIoUMetric(output_dir='')
    with pytest.raises(ValueError, match='has no palette'):
        evaluate(PaletteIoUMetric, tmp_path, dict(classes=('a',)), sample(), format_only=True)
