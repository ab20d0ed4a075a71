import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.networks import TappedAlexNet
from labelenc_mm.toolbox.safe_loading import CheckpointError

CONVS = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
FC = 8


@pytest.fixture(scope='module')
def published():
    """Weights as torchvision lays out its alexnet, with narrower fully connected layers."""
    generator = torch.Generator().manual_seed(0)
    shapes = {f'features.{i}': (out, into, k, k) for i, (out, into, k) in CONVS.items()}
    shapes |= {'classifier.1': (FC, 256 * 36), 'classifier.4': (FC, FC), 'classifier.6': (10, FC)}
    state = {}
    for name, shape in shapes.items():
        fan = torch.Size(shape[1:]).numel()
        state[f'{name}.weight'] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        state[f'{name}.bias'] = torch.randn(shape[0], generator=generator) * 0.1
    return state


def plain_maps(state, x):
    """All convolutions, one after another."""
    maps = {}
    for layer, index in enumerate(CONVS, 1):
        w, b = state[f'features.{index}.weight'], state[f'features.{index}.bias']
        stride, padding = (4, 4) if layer == 1 else (1, w.shape[-1] // 2)
        x = maps[f'conv{layer}'] = F.conv2d(x, w, b, stride, padding).relu()
        if layer in (1, 2, 5):
            x = maps[f'pool{layer}'] = F.max_pool2d(x, 3, 2, 1)
    weight = state['classifier.1.weight'].view(FC, 256, 6, 6)
    x = F.conv2d(F.pad(x, (2, 3, 2, 3)), weight, state['classifier.1.bias']).relu()
    maps['fc6'] = x
    x = F.conv2d(x, state['classifier.4.weight'][..., None, None], state['classifier.4.bias'])
    maps['fc7'] = x.relu()
    return maps


def test_torchvision_weights_load_and_every_tap_is_that_of_plain_layers(published):
    taps = ['pool2', 'conv1', 'conv3', 'conv5', 'pool5', 'fc6', 'fc7', 'data']
    net = TappedAlexNet(taps, 'torchvision', fc_channels=FC).eval()
    net.load_state_dict(published)
    image = torch.randn(2, 3, 128, 96)
    expected = plain_maps(published, image) | dict(data=image)
    for name, found in zip(taps, net(image)):
        torch.testing.assert_close(found, expected[name])
    assert net.tap_channels == (192, 64, 384, 256, 256, FC, FC, 3)
    assert net.tap_strides == (16, 4, 16, 16, 32, 32, 32, 1)


@pytest.mark.parametrize('size', [(64, 96), (97, 130), (33, 35), (32, 63)])
def test_maps_have_a_cell_for_every_stride(size):
    net = TappedAlexNet(arch='torchvision', width_mult=1 / 16, fc_channels=2)
    for feature, stride in zip(net(torch.zeros(1, 3, *size)), net.tap_strides):
        for cells, pixels in zip(feature.shape[-2:], size):
            assert pixels // stride <= cells <= -(-pixels // stride)


def test_groups_are_those_of_the_original():
    net = TappedAlexNet(width_mult=0.125, in_channels=1, fc_channels=4, norm_cfg=dict(type='BN'))
    convs = [getattr(net, f'conv{i}').conv for i in range(1, 6)]
    assert [conv.groups for conv in convs] == [1, 2, 1, 2, 2]
    assert [conv.out_channels for conv in convs] == [12, 32, 48, 48, 32]
    assert convs[0].in_channels == 1 and hasattr(net.conv5, 'norm')


def test_what_does_not_fit_is_refused(published):
    with pytest.raises(CheckpointError, match=r'conv1.conv.weight is \(64, 3, 11, 11\), not \(96'):
        TappedAlexNet(fc_channels=FC).load_state_dict(published)
    with pytest.raises(ValueError, match="arch='vgg' of TappedAlexNet must be one of"):
        TappedAlexNet(arch='vgg')
