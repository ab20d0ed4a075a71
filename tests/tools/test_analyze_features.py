"""Units of a colorizer before and after a fine-tuning, from the command line."""

import json
import runpy

import cv2
import numpy as np
import pytest
import torch
from colorization_models import VGG, build_pretrainer
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from photo_files import write_photos
from training_runs import ROOT

from labelenc_mm.pretraining import load_pretrained_segmentor

main = runpy.run_path(str(ROOT / 'tools' / 'analyze_features.py'))['main']
PLAIN = dict(VGG, norm_cfg=None, fc_norm_cfg=None)
CONFIG = """
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
default_scope = 'mmseg'
model = dict(
    type='{kind}',
    data_preprocessor=dict(
        type='{preprocessor}', mean=[114.45] * 3, std=[255.0] * 3, bgr_to_rgb=True, size=(64, 64)
    ),
    backbone={backbone},
)
"""


def write(folder, name, kind, preprocessor, backbone):
    path = folder / f'{name}.py'
    path.write_text(CONFIG.format(kind=kind, preprocessor=preprocessor, backbone=backbone))
    return path


@pytest.fixture
def states(tmp_path):
    """A pretraining's config and file, a fine-tuned segmentor's, and photos."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    pretrainer = build_pretrainer(PLAIN)
    kind, metadata = pretrainer.leaves(dict(photos=5))
    kind.save(tmp_path / kind.file_name, pretrainer.state_dict(), metadata)
    segmentor = MODELS.build(
        dict(
            type='HypercolumnEncoderDecoder',
            backbone=PLAIN,
            decode_head=dict(type='HypercolumnHead', num_classes=3),
        )
    )
    load_pretrained_segmentor(segmentor, str(tmp_path / kind.file_name))
    with torch.no_grad():
        segmentor.backbone.fc7.conv.weight += 0.05 * torch.randn_like(
            segmentor.backbone.fc7.conv.weight
        )
    torch.save(dict(state_dict=segmentor.state_dict()), tmp_path / 'iter_2.pth')
    before = write(tmp_path, 'before', 'ColorizationPretrainer', 'SegDataPreProcessor', PLAIN)
    after = write(tmp_path, 'after', 'HypercolumnEncoderDecoder', 'GraySegDataPreProcessor', PLAIN)
    write_photos(tmp_path / 'photos', 5)
    return (before, tmp_path / kind.file_name), (after, tmp_path / 'iter_2.pth'), tmp_path


def test_what_was_not_changed_correlates_and_units_have_patches_of_both_states(states, capsys):
    (before, left), (after, tuned), folder = states
    out = folder / 'out'
    main(
        [
            str(before),
            str(left),
            '--after',
            str(after),
            str(tuned),
            '--photos',
            str(folder / 'photos'),
        ]
        + ['--size', '64', '--batch-size', '2', '--num-units', '3', '--patches', '4']
        + ['--output-dir', str(out)]
    )
    shift = json.loads((out / 'feature_shift.json').read_text())
    assert list(shift) == ['conv1_2', 'conv3_3', 'fc7']
    for layer in ('conv1_2', 'conv3_3'):
        alive = [c for c in shift[layer] if c is not None]
        np.testing.assert_allclose(alive, 1, atol=1e-6)
    assert min(c for c in shift['fc7'] if c is not None) < 0.999
    text = (out / 'feature_shift.md').read_text()
    assert '| fc7 | 12 |' in text and text in capsys.readouterr().out
    assert (out / 'feature_shift.png').is_file()
    sheet = cv2.imread(str(out / 'top_patches_conv3_3.png'))
    assert sheet.shape[1] > 2 * 4 * 64
    # In color, though the network sees gray images.
    assert (sheet.max(2) != sheet.min(2)).mean() > 0.5
    rows = np.stack(np.split(sheet, 3))[:, -64 - 4 : -4]  # without headings
    assert np.array_equal(rows[:, :, : 4 * 64], rows[:, :, -4 * 64 :])  # unchanged up to there


def test_patches_alone_of_chosen_units_and_layers(states):
    (before, left), _, folder = states
    out = folder / 'out'
    listed = folder / 'photos' / 'list.txt'
    listed.write_text('photo 00.jpg\nphoto 03.jpg\n')
    main(
        [str(before), str(left), '--photos', str(listed), '--size', '64', '--layers', 'conv2_1']
        + ['--units', '0', '2', '--patches', '2', '--window', '20', '--output-dir', str(out)]
    )
    assert [path.name for path in out.iterdir()] == ['top_patches_conv2_1.png']
    assert cv2.imread(str(out / 'top_patches_conv2_1.png')).shape[1] == 2 * 64


def test_entries_of_both_configs_can_be_overridden(states):
    """Padding with biases changes what units see at the border, of both states alike."""
    (before, left), (after, tuned), folder = states
    call = [str(before), str(left), '--after', str(after), str(tuned), '--patches', '0']
    call += ['--photos', str(folder / 'photos'), '--size', '64']
    pad = ['--cfg-options', 'model.backbone.pad_with_bias=True']
    shifts = []
    for name, options in (('plain', []), ('padded', pad)):
        main([*call, '--output-dir', str(folder / name), *options])
        shifts.append(json.loads((folder / name / 'feature_shift.json').read_text()))
    plain, padded = shifts
    for shift in shifts:
        alive = [c for c in shift['conv3_3'] if c is not None]
        np.testing.assert_allclose(alive, 1, atol=1e-6)
    assert plain['fc7'] != padded['fc7']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--layers', 'conv9_1'], 'TappedVGG has no conv9_1; name modules of it: data, conv1_1'),
        (['--patches', '-1'], '--patches must be at least 0'),
        (['--cfg-options', 'modell.backbone.pad_with_bias=True'], "Did you mean 'model'?"),
        (['--batch-size', '0'], '--batch-size must be at least 1'),
        (['--units', '99'], '--units 99: conv1_2 has 4 units, 0 to 3'),
    ],
)
def test_what_is_not_there_is_told(states, options, message, capsys):
    (before, left), _, folder = states
    with pytest.raises(SystemExit) as told:
        main([str(before), str(left), '--photos', str(folder / 'photos'), *options])
    assert message in str(told.value) + capsys.readouterr().err


def test_a_network_that_is_no_chain_needs_a_window(tmp_path):
    init_default_scope('mmseg')
    resnet = dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, in_channels=1)
    backbone = dict(type='TappedBackbone', in_channels=1, taps=['layer2.1'], backbone=resnet)
    network = MODELS.build(backbone)
    path = tmp_path / 'iter_2.pth'
    torch.save({f'backbone.{key}': value for key, value in network.state_dict().items()}, path)
    config = write(tmp_path, 'r18', 'EncoderDecoder', 'GraySegDataPreProcessor', backbone)
    write_photos(tmp_path / 'photos', 2)
    out = tmp_path / 'out'
    call = [str(config), str(path), '--photos', str(tmp_path / 'photos'), '--size', '64']
    call += ['--output-dir', str(out), '--patches', '2']
    with pytest.raises(SystemExit, match='give --window'):
        main(call)
    main([*call, '--window', '24'])
    assert (out / 'top_patches_layer2.1.png').is_file()
