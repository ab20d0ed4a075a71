"""Pictures of label maps that segmentors predict."""

import cv2
import numpy as np
import pytest
from compared_models import DRAWS_EXACTLY, SEGMENTOR, write_inputs

pytest.importorskip('mmseg')

import mmcv
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from mmseg.datasets import BaseSegDataset

from labelenc_mm.analysis.comparison import compare
from labelenc_mm.analysis.drawn_label_maps import DrawnLabelMaps


@pytest.mark.parametrize('factor', [1, 2])
def test_label_maps_of_a_segmentor(tmp_path, factor):
    """In the colours of the data set, laid over the image: pixel by pixel from the formula.

    The pipeline makes label maps smaller by the factor.
    """
    inputs = write_inputs(tmp_path, SEGMENTOR, 'mmseg')
    data_root = {'val_dataloader.dataset.data_root': f'{inputs}/shapes/'}
    config_path = tmp_path / 'config.py'
    config_path.write_text(
        f"_base_ = ['{SEGMENTOR}']\n"
        'steps = _base_.test_pipeline\n'
        f"steps.insert(2, dict(type='Resize', scale=({96 // factor}, {64 // factor})))\n"
        'val_dataloader = dict(dataset=dict(pipeline=steps))\n'
    )
    init_default_scope('mmseg')
    changed = Config.fromfile(config_path)
    changed.merge_from_dict(data_root)
    drawer = DrawnLabelMaps(changed, [str(inputs / 'a.pth')], scale=1)
    pictures = dict(compare(drawer, ['untrained'], 8))
    assert list(pictures) == ['000000.png', '000001.png']

    config = Config.fromfile(SEGMENTOR)
    config.merge_from_dict(data_root)
    dataset = config.val_dataloader.dataset
    palette = np.array(
        BaseSegDataset(**{key: dataset[key] for key in dataset if key != 'type'}).metainfo[
            'palette'
        ]
    )
    picture = pictures['000000.png'][24:, :, ::-1]
    truth, predicted = (part[:64, :96] for part in np.split(picture, 2, axis=1))
    path = inputs / 'shapes' / 'images' / 'val' / '000000.png'
    image = cv2.imread(str(path))[..., ::-1]
    label_map = mmcv.imread(
        inputs / 'shapes' / 'labels' / 'val' / '000000.png', 'unchanged', backend='pillow'
    )
    prediction = inference_model(init_model(config, str(inputs / 'a.pth'), 'cpu'), str(path))
    small = mmcv.imresize(label_map, (96 // factor, 64 // factor), interpolation='nearest')
    for shown, labels in (
        (truth, mmcv.imresize(small, (96, 64), interpolation='nearest')),
        (predicted, prediction.pred_sem_seg.data[0].numpy()),
    ):
        expected = 0.4 * image + 0.6 * palette[labels]
        difference = np.abs(shown - expected)
        assert difference.max() <= 1.5 if DRAWS_EXACTLY else difference.mean() < 8
