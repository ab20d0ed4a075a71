"""Pictures of predictions: how many, of what size, and checkpoints given by last_checkpoint."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from compared_models import DETECTOR, DRAWS_EXACTLY, write_inputs

from labelenc_mm.analysis.comparison import BORDER

pytest.importorskip('mmdet')
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location(
        'compare_predictions', ROOT / 'tools' / 'compare_predictions.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path, DETECTOR, 'mmdet')


def test_a_checkpoint_may_be_a_url(tool):
    url = 'https://models.example/retinanet/epoch_12.pth'
    args = tool.parse_args([DETECTOR, url, '--out-dir', 'out'])
    assert (args.checkpoints, args.titles) == ([url], ['epoch_12'])


def test_ground_truth_stands_left_of_each_checkpoint(tool, inputs):
    out = inputs / 'out'
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    checkpoints = [str(inputs / 'a.pth'), str(inputs / 'last_checkpoint')]
    options = ['--titles', 'one', 'two', '--num', '5', '--score-thr', '1.0', '--cfg-options', data]
    tool.main([DETECTOR, *checkpoints, '--out-dir', str(out), *options])
    assert sorted(path.name for path in out.iterdir()) == ['000000.png', '000001.png']
    picture = cv2.imread(str(out / '000000.png'))
    assert picture.shape == (2 * 64 + 24 + BORDER, 3 * (2 * 96 + BORDER), 3)
    truth, first, second = np.split(picture[24:], 3, axis=1)
    image = cv2.imread(str(inputs / 'shapes' / 'images' / 'val' / '000000.png'))
    plain = cv2.resize(image, (192, 128)).astype(int)
    # no prediction reaches the threshold, so only the ground truth is drawn
    limit = 3 if DRAWS_EXACTLY else 8
    assert np.abs(first[:128, :192] - plain).mean() < limit
    assert np.abs(truth[:128, :192] - plain).mean() > limit
    assert np.array_equal(first, second)


def test_titles_must_be_as_many_as_checkpoints(tool, capsys):
    with pytest.raises(SystemExit):
        tool.parse_args([DETECTOR, 'a.pth', 'b.pth', '--titles', 'one', '--out-dir', 'out'])
    assert '2 checkpoints, but 1 titles' in capsys.readouterr().err


def test_a_checkpoint_of_another_model_is_refused(tool, inputs):
    import torch

    content = torch.load(inputs / 'a.pth')
    less = {key: value for key, value in content['state_dict'].items() if 'retina_cls' not in key}
    torch.save({'state_dict': less}, inputs / 'less.pth')
    wide = {**content['state_dict'], 'bbox_head.retina_cls.bias': torch.zeros(3)}
    torch.save({'state_dict': wide}, inputs / 'wide.pth')
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    for name, message in (
        ('less', r'less\.pth does not fit the config, it lacks bbox_head\.retina_cls'),
        ('wide', r'wide\.pth does not fit the config(.|\n)*retina_cls\.bias'),
        ('gone', r'gone\.pth'),
    ):
        options = ['--out-dir', str(inputs / 'out'), '--cfg-options', data]
        with pytest.raises(SystemExit, match=f'^error: .*{message}'):
            tool.main([DETECTOR, str(inputs / f'{name}.pth'), *options])
        assert not (inputs / 'out').exists()


def test_a_config_that_is_not_there_is_named(tool, tmp_path):
    options = ['--out-dir', str(tmp_path / 'out')]
    with pytest.raises(SystemExit, match=r"^error: Config 'gone\.py' does not exist"):
        tool.main(['gone.py', 'a.pth', *options])
    with pytest.raises(SystemExit, match="^error: .*Did you mean 'val_dataloader'"):
        tool.main([DETECTOR, 'a.pth', *options, '--cfg-options', 'val_dataloaders.batch_size=1'])
    assert not (tmp_path / 'out').exists()


def test_weights_that_the_model_does_not_need_do_no_harm(tool, inputs):
    """A checkpoint of a label-encoded training, drawn by the stock config."""
    import torch

    content = torch.load(inputs / 'a.pth')
    content['state_dict']['labelenc.encoder.stem.weight'] = torch.zeros(1)
    torch.save(content, inputs / 'more.pth')
    options = ['--num', '1', '--cfg-options', f'val_dataloader.dataset.data_root={inputs}/shapes/']
    tool.main([DETECTOR, str(inputs / 'more.pth'), '--out-dir', str(inputs / 'out'), *options])
    assert len(list((inputs / 'out').iterdir())) == 1


def test_a_full_disk_is_told(tool, inputs, monkeypatch):
    def full(path, content):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    data = f'val_dataloader.dataset.data_root={inputs}/shapes/'
    options = ['--out-dir', str(inputs / 'out'), '--num', '1', '--cfg-options', data]
    with pytest.raises(SystemExit, match=r'error: .*the disk is full.*000000\.png'):
        tool.main([DETECTOR, str(inputs / 'a.pth'), *options])
    assert list((inputs / 'out').iterdir()) == []
