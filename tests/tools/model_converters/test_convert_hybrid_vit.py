"""The published weights of R50+ViT-B/16, converted: the same maps as the arrays compute, or a refusal.

The published file cannot be downloaded by a test; those used here have its layout and random numbers.
"""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from convert_hybrid_vit import main
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from published_hybrid_vit import (
    CLASSES,
    DIMS,
    GRID,
    HEADS,
    LAYERS,
    UNITS,
    WIDTH,
    PlainHybrid,
    make_arrays,
)

POSITIONS = 'Transformer/posembed_input/pos_embedding'


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
    """The arrays of a file, what was printed of its conversion, and the backbone that this builds."""
    folder = tmp_path_factory.mktemp('converted')
    return convert(make_arrays(), folder)


def convert(arrays, folder):
    np.savez(folder / 'R50+ViT-B_16.npz', **arrays)
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr('builtins.print', lambda *texts, **_: lines.append(' '.join(texts)))
        main([str(folder / 'R50+ViT-B_16.npz'), str(folder / 'hybrid.pth')])
    text = '\n'.join(lines)
    init_default_scope('mmseg')
    model = MODELS.build(Config.fromstring(text, '.py').backbone)
    model.init_weights()
    return arrays, text, model.eval().double()


@pytest.mark.parametrize('size', [(64, 64), (50, 61)])
def test_maps_are_those_of_the_arrays(converted, size):
    arrays, _, model = converted
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    found = model(images)
    expected = PlainHybrid(arrays).forward(images)
    assert [tuple(m.shape[1:]) for m in found] == [
        (channels, -(-size[0] // stride), -(-size[1] // stride))
        for channels, stride in zip((WIDTH, 4 * WIDTH, 8 * WIDTH, DIMS), (2, 4, 8, 16))
    ]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_positions_are_interpolated_to_images_of_other_sizes(converted):
    arrays, _, model = converted
    grid = torch.from_numpy(arrays[POSITIONS][:, 1:]).double()
    grid = grid.reshape(1, GRID, GRID, DIMS).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (6, 3), mode='bicubic', align_corners=False)
    images = torch.randn(1, 3, 96, 41, dtype=torch.float64)
    expected = PlainHybrid(arrays, grid.flatten(2).transpose(1, 2)).forward(images)
    torch.testing.assert_close(model(images)[3], expected[3])


def test_timm_reads_the_same_from_the_file(tmp_path):
    """Its network of this name, made narrow; it has a class token and the exact GELU."""
    pytest.importorskip('torchvision')  # which timm imports
    timm = pytest.importorskip('timm')
    _, _, model = convert(make_arrays(64, (3, 4, 9)), tmp_path)
    theirs = timm.create_model(
        'vit_base_r50_s16_224',
        img_size=16 * GRID,
        embed_dim=DIMS,
        depth=LAYERS,
        num_heads=HEADS,
        num_classes=CLASSES,
    ).eval()
    theirs.load_pretrained(str(tmp_path / 'R50+ViT-B_16.npz'))
    theirs = theirs.double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    tokens = theirs.patch_embed(images) + theirs.pos_embed[:, 1:]
    for block in theirs.blocks:
        block.mlp.act = torch.nn.GELU(approximate='tanh')
        tokens = block(tokens)
    expected = theirs.norm(tokens).transpose(1, 2).unflatten(2, (GRID, GRID))
    # Epsilons of its convolutions and group norms differ.
    torch.testing.assert_close(model(images)[3], expected, rtol=1e-3, atol=1e-3)


def test_what_is_not_used_is_named(converted):
    _, text, _ = converted
    named = re.search(r'Not used: (.*);', text)[1].split(', ')
    assert sorted(named) == [
        'cls',
        'head/bias',
        'head/kernel',
        'pre_logits/bias',
        'pre_logits/kernel',
    ]


def test_printed_backbone_says_what_is_no_default(converted):
    _, text, model = converted
    options = Config.fromstring(text, '.py').backbone
    path = re.search(r'# Wrote (\S+): ', text)[1]
    assert options.pop('init_cfg') == dict(type='Pretrained', checkpoint=path)
    assert options == dict(
        type='HybridViT',
        img_size=16 * GRID,
        base_channels=WIDTH,
        block_units=UNITS,
        embed_dims=DIMS,
        num_layers=LAYERS,
        num_heads=HEADS,
    )
    state = torch.load(path, weights_only=True)
    assert state.keys() == model.state_dict().keys()


def test_flat_norms_and_files_without_a_classifier_are_taken(converted, tmp_path):
    arrays, _, model = converted
    fewer = {
        name: array.reshape(-1) if array.shape[:3] == (1, 1, 1) else array
        for name, array in arrays.items()
        if not name.startswith(('head', 'pre_logits', 'cls'))
    }
    _, text, other = convert(fewer, tmp_path)
    assert 'Not used: nothing;' in text
    state = model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in other.state_dict().items())


def without(*names):
    return lambda arrays: {k: v for k, v in arrays.items() if not k.startswith(names)}


def reshaped(name, *shape):
    return lambda arrays: arrays | {name: np.zeros(shape, np.float32)}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without('conv_root'), r'no hybrid of a ResNet.*conv_root/kernel: missing'),
        (without('block2'), r'no hybrid.*block2/unit1: missing'),
        (
            without('block1/unit2/conv1/', 'Transformer/encoderblock_1/LayerNorm_2/scale'),
            r'differ.*\n  block1/unit2/conv1/kernel: missing\n  .*_1/LayerNorm_2/scale: missing\n',
        ),
        (reshaped('gn_root/bias', 5), r'gn_root/bias: float32 \(5,\), expected float \(32,\)\n'),
        (
            reshaped('block4/unit1/conv1/kernel', 1, 1, 2, 2),
            r'block4/unit1/conv1/kernel: unknown\n',
        ),
        (reshaped(POSITIONS, 1, 12, DIMS), r'pos_embedding: \(1, 12, 12\).*those of a square\n'),
        (
            reshaped('conv_root/kernel', 7, 7, 3, 40),
            r'no HybridViT has these widths.*base_channels=40',
        ),
        (lambda arrays: arrays | {'cls': np.array([{}])}, r'plain arrays.*Download it again'),
    ],
)
def test_other_files_are_refused_with_the_differences(tmp_path, change, message):
    path, out = tmp_path / 'weights.npz', tmp_path / 'out.pth'
    np.savez(path, **change(make_arrays()))
    with pytest.raises(SystemExit) as error:
        main([str(path), str(out)])
    text = str(error.value)
    assert text.startswith(f'Not converted: {path}: ') and text.endswith(f'{out} was not touched.')
    assert re.search(message, text, re.DOTALL), text
    assert not out.exists()


def test_files_that_are_no_npz_are_refused(tmp_path):
    out = str(tmp_path / 'out.pth')
    (tmp_path / 'broken.npz').write_bytes(b'PK\x03\x04 no more than the beginning')
    np.save(tmp_path / 'single.npy', np.zeros(3))
    for name in ('broken.npz', 'single.npy'):
        with pytest.raises(SystemExit, match=rf'{name}: it cannot be read as an \.npz'):
            main([str(tmp_path / name), out])
    with pytest.raises(SystemExit, match=r'No such file.*absent\.npz'):
        main([str(tmp_path / 'absent.npz'), out])
