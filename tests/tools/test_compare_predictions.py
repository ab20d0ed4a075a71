"""Pictures of predictions: how many, of what size, and checkpoints given by last_checkpoint."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('mmdet')
ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'labelenc' / 'demo' / 'retinanet_r18_shapes.py')
SEGMENTOR = str(ROOT / 'configs' / 'label_structure' / 'demo' / 'pspnet_r18_shapes.py')


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location(
        'compare_predictions', ROOT / 'tools' / 'compare_predictions.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_inputs(folder, config, scope):
    """A data set of two images and a checkpoint of an untrained model."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from labelenc_mm.datasets import write_shape_scenes

    write_shape_scenes(folder / 'shapes', 1, 2, (64, 96), 0)
    init_default_scope(scope)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / 'a.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'a.pth'))
    return folder


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path, CONFIG, 'mmdet')


def test_ground_truth_stands_left_of_each_checkpoint(tool, inputs):
    out = inputs / 'out'
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    checkpoints = [str(inputs / 'a.pth'), str(inputs / 'last_checkpoint')]
    options = ['--titles', 'one', 'two', '--num', '5', '--score-thr', '1.0', '--cfg-options', data]
    tool.main([CONFIG, *checkpoints, '--out-dir', str(out), *options])
    assert sorted(path.name for path in out.iterdir()) == ['000000.png', '000001.png']
    picture = cv2.imread(str(out / '000000.png'))
    assert picture.shape == (2 * 64 + 24 + tool.BORDER, 3 * (2 * 96 + tool.BORDER), 3)
    truth, first, second = np.split(picture[24:], 3, axis=1)
    image = cv2.imread(str(inputs / 'shapes' / 'images' / 'val' / '000000.png'))
    plain = cv2.resize(image, (192, 128)).astype(int)
    # no prediction reaches the threshold, so only the ground truth is drawn
    assert np.abs(first[:128, :192] - plain).mean() < 3
    assert np.abs(truth[:128, :192] - plain).mean() > 3
    assert np.array_equal(first, second)


@pytest.mark.parametrize('factor', [1, 2])
def test_label_maps_of_a_segmentor(tool, tmp_path, factor):
    """In the colours of the data set, laid over the image: pixel by pixel from the formula.

    The pipeline makes label maps smaller by the factor.
    """
    pytest.importorskip('mmseg')
    import mmcv
    from mmengine.config import Config
    from mmseg.apis import inference_model, init_model
    from mmseg.datasets import BaseSegDataset

    inputs = write_inputs(tmp_path, SEGMENTOR, 'mmseg')
    out, data = inputs / 'out', f'val_dataloader.dataset.data_root={inputs}/shapes/'
    arguments = [str(inputs / 'a.pth'), '--out-dir', str(out), '--scale', '1']
    config_path = tmp_path / 'config.py'
    config_path.write_text(
        f"_base_ = ['{SEGMENTOR}']\n"
        'steps = _base_.test_pipeline\n'
        f"steps.insert(2, dict(type='Resize', scale=({96 // factor}, {64 // factor})))\n"
        'val_dataloader = dict(dataset=dict(pipeline=steps))\n'
    )
    tool.main([str(config_path), *arguments, '--cfg-options', data])
    assert sorted(path.name for path in out.iterdir()) == ['000000.png', '000001.png']

    config = Config.fromfile(SEGMENTOR)
    config.merge_from_dict(dict([data.split('=')]))
    dataset = config.val_dataloader.dataset
    palette = np.array(
        BaseSegDataset(**{key: dataset[key] for key in dataset if key != 'type'}).metainfo[
            'palette'
        ]
    )
    picture = cv2.imread(str(out / '000000.png'))[24:, :, ::-1]
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
        assert np.abs(shown - expected).max() <= 1.5


def test_titles_must_be_as_many_as_checkpoints(tool, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args([CONFIG, 'a.pth', 'b.pth', '--titles', 'one', '--out-dir', 'out'])
    assert '2 checkpoints, but 1 titles' in capsys.readouterr().err
