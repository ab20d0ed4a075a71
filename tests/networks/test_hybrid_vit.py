"""HybridViT: sizes, positions, checkpoints, memory, and TransUNet on it.

What it computes is compared with the published arrays in tests/tools/model_converters.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import batch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import without_gradient

import labelenc_mm
from labelenc_mm.networks import HybridViT
from labelenc_mm.toolbox.safe_loading import CheckpointError

TINY = dict(
    img_size=64, base_channels=32, block_units=(1, 1, 1), embed_dims=12, num_layers=2, num_heads=3
)
CHANNELS = (32, 128, 256, 12)


def hybrid(**options):
    model = HybridViT(**{**TINY, **options})
    model.init_weights()
    for norm in model.modules():  # so that bottlenecks are more than their shortcuts
        if isinstance(norm, torch.nn.GroupNorm):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    return model


@pytest.mark.parametrize('size', [(64, 64), (33, 50), (16, 97), (1, 1)])
def test_maps_are_the_size_divided_by_the_stride_and_rounded_up(size):
    maps = hybrid()(torch.randn(2, 3, *size))
    for found, channels, stride in zip(maps, CHANNELS, (2, 4, 8, 16), strict=True):
        assert found.shape == (2, channels, *(-(-side // stride) for side in size))


def test_full_width_has_the_parameters_of_the_published_network():
    """timm counts 98.95 M of vit_base_r50_s16_384, with a classifier of 1000 classes, a class token and its
    position, and 24x24 positions.
    """
    with torch.device('meta'):
        model = HybridViT()
    found = sum(parameter.numel() for parameter in model.parameters())
    theirs = found + 768 * 1000 + 1000 + 2 * 768 + 768 * (24**2 - 14**2)
    assert round(theirs / 1e6, 2) == 98.95
    assert [len(block) for block in (model.block1, model.block2, model.block3)] == [3, 4, 9]
    assert {attention.num_heads for attention in (layer.self_attn for layer in model.layers)} == {
        12
    }


def test_outputs_can_be_left_out():
    model, fewer = hybrid(), hybrid(out_indices=(1, 3))
    fewer.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 32, 48)
    maps = model.eval()(images)
    for found, expected in zip(fewer.eval()(images), (maps[1], maps[3]), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize('mode', ['bicubic', 'bilinear', 'nearest'])
def test_a_checkpoint_of_another_size_is_interpolated(tmp_path, mode):
    """By whatever route; between sizes nothing else differs."""
    small = hybrid()
    torch.save(small.state_dict(), tmp_path / 'small.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'small.pth'))
    large = hybrid(img_size=(80, 112), interpolate_mode=mode, init_cfg=init_cfg)
    corners = None if mode == 'nearest' else False
    expected = F.interpolate(small.positions, (5, 7), mode=mode, align_corners=corners)
    assert torch.equal(large.positions, expected)
    around = torch.nn.ModuleDict(dict(backbone=hybrid(interpolate_mode=mode)))
    state = {f'backbone.{key}': value for key, value in large.state_dict().items()}
    around.load_state_dict(state)
    assert around['backbone'].positions.shape[-2:] == (4, 4)
    assert torch.equal(around['backbone'].embedding.weight, small.embedding.weight)


def test_a_checkpoint_of_another_width_is_refused(tmp_path):
    torch.save(hybrid(embed_dims=24).state_dict(), tmp_path / 'wide.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'wide.pth'))
    with pytest.raises(CheckpointError, match=r'positions is \(1, 24, 4, 4\), not \(1, 12, 4, 4\)'):
        hybrid(init_cfg=init_cfg)


def test_weights_that_are_scaled_or_shifted_compute_the_same():
    """Their standardisation, up to the epsilon."""
    model = hybrid().eval()
    images = torch.randn(1, 3, 32, 32)
    before = model(images)[0]
    with torch.no_grad():
        model.conv_root.weight.mul_(3).add_(2)
    torch.testing.assert_close(model(images)[0], before, rtol=1e-3, atol=1e-3)


def test_checkpointing_changes_no_number_and_keeps_fewer_activations():
    torch.manual_seed(0)
    plain, model = hybrid(), hybrid(with_cp=True)
    model.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 48, 64)
    gradients, kept = [], []
    for each in (plain, model):
        torch.manual_seed(1)  # for dropout
        saved = []
        hooks = (lambda tensor, saved=saved: saved.append(tensor) or tensor, lambda tensor: tensor)
        with torch.autograd.graph.saved_tensors_hooks(*hooks):
            loss = sum(found.square().mean() for found in each(images))
        kept.append(sum(tensor.numel() for tensor in saved))
        loss.backward()
        gradients.append([parameter.grad for parameter in each.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[1] < kept[0] / 2


def test_dropout_is_that_of_tokens_and_not_of_attention():
    model = hybrid(drop_rate=0.5)
    images = torch.randn(1, 3, 32, 32)
    first, second = model(images), model(images)
    assert torch.equal(first[2], second[2]) and not torch.equal(first[3], second[3])
    positions_alone = hybrid(num_layers=0, drop_rate=0.5)
    assert not torch.equal(positions_alone(images)[3], positions_alone(images)[3])
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert torch.equal(model(images)[3], model(images)[3])
    clone = copy.deepcopy(model).eval()
    torch.testing.assert_close(clone(images)[3], model(images)[3])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(base_channels=48), 'base_channels=48 of HybridViT must be a multiple of 32'),
        (dict(block_units=(3, 4)), r'block_units=\(3, 4\).*three numbers'),
        (dict(block_units=(3, 0, 9)), r'block_units=\(3, 0, 9\).*each at least 1'),
        (dict(num_heads=5), 'embed_dims=12 of HybridViT must be a multiple of num_heads=5'),
        (dict(out_indices=(0, 1)), r'out_indices=\(0, 1\).*the last one 3'),
        (dict(out_indices=(1, 0, 3)), r'out_indices=\(1, 0, 3\).*rising'),
        (dict(out_indices=(3, 4)), r'out_indices=\(3, 4\).*out of \[0, 1, 2, 3\]'),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HybridViT(**{**TINY, **options})


@pytest.fixture
def transunet():
    """The model base, parsed."""
    init_default_scope('mmseg')
    return Config.fromfile(labelenc_mm.config('ddep/_base_/models/transunet.py')).model


def test_transunet_of_the_paper_has_maps_that_its_decoder_reads(transunet):
    with torch.device('meta'):
        model = revert_sync_batchnorm(MODELS.build(transunet)).eval()
        scores = model(torch.empty(1, 3, 224, 192))
    assert scores.shape == (1, 59, 224, 192)
    convolutions = [p for p in model.decode_head.blocks.parameters() if p.ndim == 4]
    assert round(sum(p.numel() for p in convolutions) / 1e6, 1) == 28.9


def test_transunet_trains_all_of_its_parameters(transunet):
    transunet.backbone.update(TINY)
    transunet.decode_head.update(in_channels=CHANNELS, channels_list=(10, 8, 6, 5, 4))
    model = revert_sync_batchnorm(MODELS.build(transunet))
    model.init_weights()
    images, samples = batch((50, 70))
    assert without_gradient(model, model.loss(images, samples)) == []
    model.eval()
    assert model.predict(images, samples)[0].seg_logits.data.shape == (59, 50, 70)
    preprocessed = model.data_preprocessor(
        dict(inputs=[torch.tensor([0, 255, 51], dtype=torch.uint8).view(3, 1, 1)])
    )['inputs']
    expected = torch.tensor([-0.6, 1.0, -1.0]).view(1, 3, 1, 1)  # RGB of BGR
    torch.testing.assert_close(preprocessed, expected)
