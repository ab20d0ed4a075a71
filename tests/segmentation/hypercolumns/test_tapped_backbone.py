"""Any backbone with taps against the backbone itself."""

import copy

import pytest
import torch
from mmseg.registry import MODELS

RESNET = dict(type='ResNet', depth=18, base_channels=4)


def tapped(taps, backbone=RESNET, **options):
    model = MODELS.build(dict(type='TappedBackbone', backbone=backbone, taps=taps, **options))
    model.init_weights()
    model.eval()  # which in mmseg's ResNet returns nothing
    return model


def stock_like(model, backbone=RESNET):
    stock = MODELS.build(backbone)
    stock.load_state_dict(model.state_dict())  # strict: nothing moved, nothing was added
    stock.eval()
    return stock


def test_taps_are_what_the_stock_modules_compute():
    model = tapped(('layer2.1', 'relu', 'output3', 'layer3.0.conv1'))
    stock = stock_like(model)
    image = torch.randn(2, 3, 64, 96)
    stem = stock.relu(stock.bn1(stock.conv1(image)))
    layer2 = stock.layer2(stock.layer1(stock.maxpool(stem)))
    expected = (layer2, stem, stock(image)[3], stock.layer3[0].conv1(layer2))
    outputs = model(image)
    assert model.taps == ('layer2.1', 'relu', 'output3', 'layer3.0.conv1')
    assert model.tap_channels == (8, 64, 32, 16) and model.tap_strides == (8, 2, 32, 16)
    for output, wanted, stride in zip(outputs, expected, model.tap_strides):
        torch.testing.assert_close(output, wanted)
        assert output.shape[-2:] == (64 // stride, 96 // stride)


def test_other_toolbox_and_other_outputs():
    model = tapped(('output0', 'layer1'), dict(RESNET, type='mmdet.ResNet', out_indices=(3,)))
    assert model.tap_strides == (32, 4)
    transformer = dict(
        type='MixVisionTransformer',
        embed_dims=4,
        num_stages=2,
        num_layers=(1, 1),
        num_heads=(1, 1),
        patch_sizes=(7, 3),
        strides=(4, 2),
        sr_ratios=(8, 4),
        out_indices=(0, 1),
    )
    model = tapped(('output1', 'output0'), transformer)
    assert model.tap_channels == (4, 4) and model.tap_strides == (8, 4)


def test_training_behaves_as_the_stock_class():
    model = tapped(('layer1',), dict(RESNET, norm_eval=True, frozen_stages=1))
    model.train()
    assert not model.bn1.training and not any(p.requires_grad for p in model.layer1.parameters())
    assert model.training


def test_a_copy_has_taps_of_its_own():
    model = tapped(('layer1', 'relu'))
    image = torch.randn(1, 3, 64, 64)
    expected = model(image)
    clone = copy.deepcopy(model)
    torch.nn.init.zeros_(clone.bn1.weight)
    torch.nn.init.ones_(clone.bn1.bias)
    assert (clone(image)[1] == 1).all()
    for output, before in zip(model(image), expected):
        assert torch.equal(output, before)
    assert not any(module._forward_hooks for module in model.modules())


def test_gradients_pass_through_taps():
    model = tapped(('layer1', 'relu'))
    image = torch.randn(1, 3, 64, 64, requires_grad=True)
    model(image)[0].square().mean().backward()
    assert image.grad.abs().sum() > 0 and model.layer1[1].bn2.weight.grad.abs().sum() > 0
    assert model.layer2[0].conv1.weight.grad is None
    with torch.inference_mode():
        assert len(model(image)) == 2


@pytest.mark.parametrize(
    ('taps', 'message'),
    [
        (('layer9',), r"unknown: \['layer9'\]. Its children are .*layer1, layer2"),
        ((), 'must be different paths'),
        ('relu', 'must be different paths'),
        (('layer1', 'layer1'), 'must be different paths'),
        (('bn1',), "'bn1' of TappedResNet is changed in place .* in-place ReLU"),
        (('layer1.0.relu',), 'runs more than once'),
        (('output7',), "'output7' of TappedResNet: TappedResNet has 4 outputs, 0 to 3"),
    ],
)
def test_wrong_taps_are_refused_when_built(taps, message):
    with pytest.raises(ValueError, match=message):
        tapped(taps)


def test_stride_that_is_no_whole_number_is_refused():
    with pytest.raises(ValueError, match='no whole stride. Try another probe_size'):
        tapped(('layer4',), probe_size=72)
