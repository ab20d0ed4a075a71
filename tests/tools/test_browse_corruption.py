"""Sheets of corrupted photos: files that are left, figures that are printed, and what users are told."""

import runpy
from pathlib import Path

import pytest
import torch
from photo_files import write_photo
from PIL import Image

pytest.importorskip('mmseg')

tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'browse_corruption.py'))
CONFIG = """
_base_ = 'mmseg::unet/unet-s5-d16_fcn_4xb4-40k_hrf-256x256.py'
model = dict(
    type='DenoisingDecoderPretrainer',
    pretrained=None,
    data_preprocessor=dict(size=None, size_divisor=1, mean=[127] * 3, std=[128] * 3),
    backbone=dict(base_channels=8, norm_cfg=dict(type='BN')),
    decode_head=dict(in_channels=8, channels=8, norm_cfg=dict(type='BN')),
    auxiliary_head=None,
)
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'denoising.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / 'a photo.png', (40, 60))


def test_a_sheet_for_each_photo_and_its_figures(photo, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = ['--sigmas', '1', '0.5', '--std', '10', '20', '30', '--side', '32']
    tool['main']([str(photo), str(photo), *arguments, '--output-dir', str(out)])
    assert sorted(path.name for path in out.iterdir()) == [
        '000000_a photo.png',
        '000001_a photo.png',
    ]
    printed = capsys.readouterr().out
    assert 'variance ' in printed
    assert '  gamma 0.5: noise of 10.0, 20.0, 30.0 gray levels' in printed
    assert '  gamma 0.8: noise of 5.0, 10.0, 15.0 gray levels' in printed


def test_restored_photos_stand_below(photo, config, tmp_path):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'epoch_1.pth')
    arguments = [str(photo), '--config', str(config), '--forms', 'simple', '--gammas', '0.9']
    heights = []
    for more in ([], ['--checkpoint', str(tmp_path / 'epoch_1.pth')]):
        tool['main']([*arguments, *more, '--output-dir', str(tmp_path / 'out')])
        with Image.open(tmp_path / 'out' / '000000_a photo.png') as sheet:
            heights.append(sheet.size[1])
    assert heights[1] > 1.5 * heights[0]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['missing.jpg'], r'missing\.jpg cannot be read'),
        (['PHOTO', '--gammas', '1'], r'gamma=1\.0 must lie between'),
        (['PHOTO', '--config', 'none.py'], r"'none\.py' does not exist"),
        (
            ['PHOTO', '--config', 'CONFIG', '--checkpoint', 'x.pth', '--cfg-options']
            + ['model.type=EncoderDecoder'],
            "model.type is 'EncoderDecoder', which restores nothing",
        ),
        (['PHOTO', '--config', 'CONFIG', '--checkpoint', 'x.pth'], r'x\.pth'),
    ],
)
def test_what_the_user_can_mend_is_said(photo, config, tmp_path, arguments, message):
    names = {'PHOTO': str(photo), 'CONFIG': str(config)}
    arguments = [names.get(argument, argument) for argument in arguments]
    with pytest.raises(SystemExit, match=message):
        tool['main']([*arguments, '--output-dir', str(tmp_path / 'out')])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--checkpoint', 'x.pth'], 'needs the --config'),
        (['--config', 'x.py', '--mean', '1', '1', '1'], 'has its own'),
        (['--sigmas', '0'], 'above 0'),
        (['--side', '31'], 'at least 32 pixels'),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(photo, capsys, arguments, message):
    with pytest.raises(SystemExit):
        tool['main']([str(photo), *arguments])
    assert message in capsys.readouterr().err
