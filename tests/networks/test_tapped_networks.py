"""VGG and DenseNet with taps against plain networks in torchvision's layout, whose weights they load."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labelenc_mm.networks import TappedDenseNet, TappedVGG
from labelenc_mm.toolbox.safe_loading import CheckpointError

BN = dict(type='BN')
WIDTH, FC = 2, 6
TINY = dict(depths=(1, 2, 1), growth_rate=3, stem_channels=4, transitions=(2, 2))


def torchvision_vgg(with_norm, in_channels=3):
    """vgg16 or vgg16_bn as torchvision lays it out, 32 times narrower."""
    layers = []
    for width in (1, 1, 'M', 2, 2, 'M', 4, 4, 4, 'M', 8, 8, 8, 'M', 8, 8, 8, 'M'):
        if width == 'M':
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers.append(nn.Conv2d(in_channels, width * WIDTH, 3, padding=1))
        if with_norm:
            layers.append(nn.BatchNorm2d(width * WIDTH))
        layers.append(nn.ReLU())
        in_channels = width * WIDTH
    flat = in_channels * 49
    classifier = [nn.Linear(flat, FC), nn.ReLU(), nn.Dropout(), nn.Linear(FC, FC), nn.ReLU()]
    model = nn.ModuleDict(
        dict(
            features=nn.Sequential(*layers),
            classifier=nn.Sequential(*classifier, nn.Dropout(), nn.Linear(FC, 10)),
        )
    )
    return randomise(model)


class DenseLayer(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.norm1, self.conv1 = (
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 4 * growth, 1, bias=False),
        )
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


class TorchvisionDenseNet(nn.Module):
    """densenet as torchvision lays it out, of the tiny architecture."""

    def __init__(self):
        super().__init__()
        self.features = nn.ModuleDict(
            dict(conv0=nn.Conv2d(3, 4, 7, 2, 3, bias=False), norm0=nn.BatchNorm2d(4))
        )
        channels = 4
        for b, depth in enumerate((1, 2, 1), 1):
            block = nn.ModuleDict()
            for layer in range(depth):
                block[f'denselayer{layer + 1}'] = DenseLayer(channels, 3)
                channels += 3
            self.features[f'denseblock{b}'] = block
            if b < 3:
                self.features[f'transition{b}'] = nn.ModuleDict(
                    dict(
                        norm=nn.BatchNorm2d(channels),
                        conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
                    )
                )
                channels //= 2
        self.features['norm4'] = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, 10)

    def forward(self, x):
        f, maps = self.features, {}
        maps['stem'] = F.relu(f['norm0'](f['conv0'](x)))
        x = F.max_pool2d(maps['stem'], 3, 2, 1)
        for b in (1, 2, 3):
            for layer in f[f'denseblock{b}'].values():
                x = torch.cat([x, layer(x)], 1)
            maps[f'block{b}'] = x
            if b < 3:
                transition = f[f'transition{b}']
                x = F.avg_pool2d(transition['conv'](F.relu(transition['norm'](x))), 2)
                maps[f'transition{b}'] = x
        maps['norm4'] = F.relu(f['norm4'](x))
        return maps


def randomise(model):
    """Weights and statistics that all matter."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5 if 'running_var' in name else -0.5, 1)
    return model.eval()


@pytest.mark.parametrize('with_norm', [False, True])
def test_pretrained_vgg_computes_what_torchvisions_does(with_norm, tmp_path):
    plain = torchvision_vgg(with_norm)
    torch.save(plain.state_dict(), tmp_path / 'vgg16.pth')
    taps = ('fc7', 'conv1_2', 'pool3', 'conv4_1', 'conv5_3')  # in any order
    backbone = TappedVGG(
        taps,
        base_channels=WIDTH,
        norm_cfg=BN if with_norm else None,
        fc_channels=FC,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'vgg16.pth')),
    )
    backbone.init_weights()
    image = torch.randn(1, 3, 224, 224) / 100
    with torch.no_grad():
        outputs = dict(zip(taps, backbone.eval()(image)))
        x, convs, maps = image, 0, {}
        for layer in plain['features']:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                convs += 1
                maps[convs] = x
            if isinstance(layer, nn.MaxPool2d):
                maps[f'{convs} pooled'] = x
        expected = {'conv1_2': 2, 'pool3': '7 pooled', 'conv4_1': 8, 'conv5_3': 13}
        for name, key in expected.items():
            torch.testing.assert_close(outputs[name], maps[key])
        # The 7x7 window of the middle cell is all that the fully connected layer sees.
        fc = plain['classifier'][:5](x.flatten(1))
    # Large numbers at this depth, of sums in another order.
    torch.testing.assert_close(outputs['fc7'][:, :, 3, 3], fc, rtol=2e-5, atol=1e-5)
    for map_, channels, stride in zip(
        outputs.values(), backbone.tap_channels, backbone.tap_strides
    ):
        assert map_.shape == (1, channels, 224 // stride, 224 // stride)


@pytest.mark.parametrize('spelling', ['new', 'old'])
def test_pretrained_densenet_computes_what_torchvisions_does(spelling, tmp_path):
    plain = randomise(TorchvisionDenseNet())
    state = plain.state_dict()
    if spelling == 'old':  # as in torchvision's own file; without counters, too
        state = {
            re.sub(r'(denselayer\d\.(norm|conv))([12])', r'\1.\3', key): value
            for key, value in state.items()
            if 'num_batches_tracked' not in key
        }
        assert 'features.denseblock1.denselayer1.norm.1.weight' in state
    torch.save({'state_dict': state}, tmp_path / 'densenet.pth')
    taps = ('stem', 'block1', 'transition1', 'block2', 'block3', 'norm4')
    backbone = TappedDenseNet(
        TINY, taps, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'densenet.pth'))
    )
    backbone.init_weights()
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        outputs, expected = backbone.eval()(image), plain(image)
    for name, output, channels, stride in zip(
        taps, outputs, backbone.tap_channels, backbone.tap_strides
    ):
        torch.testing.assert_close(output, expected[name])
        assert output.shape == (2, channels, 64 // stride, 96 // stride)


def test_weights_inside_a_larger_model_are_recognised_too():
    model = nn.ModuleDict(dict(backbone=TappedVGG(('conv2_1',), base_channels=WIDTH)))
    plain = torchvision_vgg(False).state_dict()
    model.load_state_dict({f'backbone.{key}': value for key, value in plain.items()})
    assert torch.equal(model['backbone'].conv2_1.conv.weight, plain['features.5.weight'])
    # Its own layout still loads, and an incomplete one is refused by torch as ever.
    own = model.state_dict()
    model.load_state_dict(own)
    own.pop('backbone.conv1_1.conv.bias')
    with pytest.raises(RuntimeError, match=r'Missing key.*conv1_1\.conv\.bias'):
        model.load_state_dict(own)
    model.load_state_dict(own, strict=False)


@pytest.mark.parametrize(
    ('case', 'message'),
    [
        ('with norm', r'conv1_2\.norm\.running_var is missing'),
        ('grey', r'conv1_1\.conv\.weight is \(2, 3, 3, 3\), not \(2, 1, 3, 3\)'),
        ('foreign', r'conv1_1\.conv\.weight is missing; conv1_1\.conv\.bias is missing'),
        ('fc', r'fc6\.conv\.weight is \(6, 784\), not \(5, 16, 7, 7\)'),
    ],
)
def test_weights_that_do_not_fit_are_listed(case, message, tmp_path):
    state = torchvision_vgg(False).state_dict()
    if case == 'foreign':
        state = {f'layer.{key}': value for key, value in state.items()}
    torch.save(state, tmp_path / 'other.pth')
    options = {
        'with norm': dict(norm_cfg=BN),
        'grey': dict(in_channels=1),
        'foreign': {},
        'fc': dict(taps=('fc7',), fc_channels=5),
    }[case]
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'other.pth'))
    backbone = TappedVGG(
        **{'taps': ('conv1_2',), 'base_channels': WIDTH, **options}, init_cfg=init_cfg
    )
    with pytest.raises(CheckpointError, match=f'other.pth does not fit .*{message}'):
        backbone.init_weights()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_full_size_networks_are_those_of_the_papers():
    with torch.device('meta'):
        assert count(TappedVGG()) == 14_714_688  # torchvision's vgg16.features
        assert count(TappedVGG(('fc7',))) == 138_357_544 - 4_097_000  # without the last layer
        dense121 = TappedDenseNet(121, ('norm5',))
        assert count(dense121) == 7_978_856 - 1_025_000  # densenet121 without its classifier
        dense67 = TappedDenseNet(67, ('transition4',))
        taps67 = TappedDenseNet(67)
        taps121 = TappedDenseNet(121)
    assert sum(isinstance(module, nn.Conv2d) for module in dense67.modules()) == 67
    assert taps67.tap_channels == (128, 416, 800, 1184, 1568)
    assert taps67.tap_strides == (2, 4, 8, 16, 16)
    assert taps121.tap_channels == (64, 256, 512, 1024, 1024)
    assert taps121.tap_strides == (2, 4, 8, 16, 32)
    with torch.device('meta'):
        vgg = TappedVGG()
        assert sum(vgg.tap_channels) == 4224
        image = torch.empty(1, 3, 96, 64)
        for backbone in (vgg, taps67, taps121):
            announced = zip(backbone.tap_channels, backbone.tap_strides)
            shapes = [(1, channels, 96 // stride, 64 // stride) for channels, stride in announced]
            assert [tuple(output.shape) for output in backbone(image)] == shapes


def test_nothing_behind_the_last_tap_is_built_and_all_parameters_get_gradients():
    backbone = TappedVGG(('conv2_1', 'conv1_2'), base_channels=WIDTH)
    assert [name for name, _ in backbone.named_children()] == [
        'data',
        'conv1_1',
        'conv1_2',
        'pool1',
        'conv2_1',
    ]
    sum(output.sum() for output in backbone(torch.randn(1, 3, 8, 8))).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@torch.no_grad()
def test_fully_connected_layers_are_normalised_where_asked():
    """As in the networks of the colorization paper: before ReLU, without scale and shift."""
    norm = dict(type='BN', affine=False)
    network = TappedVGG(
        ('fc6',), base_channels=WIDTH, fc_channels=FC, norm_cfg=norm, fc_norm_cfg=norm, fc_dropout=0
    )
    seen = {}
    network.fc6.norm.register_forward_hook(
        lambda _, inputs, output: seen.update(norm=output.clone())
    )
    (fc6,) = network(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(seen['norm'].mean((0, 2, 3)), torch.zeros(FC), rtol=0, atol=1e-5)
    assert torch.equal(fc6, seen['norm'].relu())
    assert not list(network.fc6.norm.parameters())


def test_sizes_that_are_no_multiples_are_rounded_down():
    backbone = TappedVGG(('conv1_1', 'conv3_1', 'conv5_3'), base_channels=1)
    shapes = [tuple(output.shape[-2:]) for output in backbone(torch.randn(1, 3, 61, 45))]
    assert shapes == [(61, 45), (15, 11), (3, 2)]


@pytest.mark.parametrize('taps', [('conv9_9',), (), ('conv1_1', 'conv1_1'), 'conv1_1'])
def test_wrong_taps_are_refused_with_the_names_there_are(taps):
    with pytest.raises(ValueError, match=r'conv1_1, conv1_2, pool1, .*fc7'):
        TappedVGG(taps, base_channels=1)


def test_wrong_architectures_are_refused():
    with pytest.raises(ValueError, match=r'DenseNet-169 is not among \[67, 121\]'):
        TappedDenseNet(169)
    with pytest.raises(ValueError, match='one transition less'):
        TappedDenseNet(dict(depths=(1, 1), transitions=(2, 2, 2)))


@pytest.mark.parametrize(
    'build',
    [
        lambda: TappedVGG(taps=('conv1_2', 'fc7'), base_channels=2, fc_channels=4),
        lambda: TappedDenseNet(
            dict(depths=(1, 1, 1, 1), growth_rate=2, stem_channels=4, transitions=(2, 2, 2))
        ),
    ],
)
def test_images_smaller_than_a_cell_are_refused_with_the_remedy(build):
    network = build().eval()
    assert network(torch.zeros(1, 3, 32, 40))[-1].shape[-2:] == (1, 1)
    message = r'\(31, 40\) are smaller than a cell .* of Tapped\w+, which has 32 .* size_divisor=32'
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(1, 3, 31, 40))


def test_the_image_itself_is_a_tap():
    image = torch.randn(1, 3, 32, 32)
    data, last = TappedVGG(taps=('data', 'conv1_1'), base_channels=WIDTH)(image)
    assert torch.equal(data, image) and last.shape[1] == WIDTH


@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN', affine=False), BN])
def test_padding_is_what_the_layer_before_makes_of_zeros(norm_cfg):
    """Channel by channel, with plain padding by a constant."""
    taps = ('conv1_1', 'conv1_2', 'conv2_1', 'fc6', 'fc7')
    options = dict(taps=taps, base_channels=WIDTH, fc_channels=FC, norm_cfg=norm_cfg)
    net = randomise(TappedVGG(**options, fc_norm_cfg=norm_cfg, pad_with_bias=True)).eval()
    x = image = torch.randn(1, 3, 64, 64)
    constants = [0.0] * 3
    found = dict(zip(taps, net(image)))
    for name, unit in net.named_children():
        if name.startswith('pool'):
            x = F.max_pool2d(x, 2, 2)
        if not hasattr(unit, 'conv'):
            continue
        width = unit.conv.kernel_size[0] // 2
        x = torch.cat(
            [F.pad(x[:, c, None], (width,) * 4, value=v) for c, v in enumerate(constants)], 1
        )
        x = F.conv2d(x, unit.conv.weight, unit.conv.bias)
        zeros = unit.conv.bias.view(1, -1, 1, 1)
        if norm_cfg:
            x, zeros = unit.norm(x), unit.norm(zeros)
        x, constants = x.relu(), zeros.relu().flatten().tolist()
        if name in taps:
            torch.testing.assert_close(found[name], x)
    plain = TappedVGG(**options, fc_norm_cfg=norm_cfg).eval()
    plain.load_state_dict(net.state_dict())
    maps = dict(zip(taps, plain(image)))
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(maps['conv1_2'][inner], found['conv1_2'][inner])
    assert not torch.allclose(maps['conv1_2'], found['conv1_2'])


def test_padding_with_bias_refuses_normalisation_without_statistics():
    norm = dict(type='GN', num_groups=1)
    network = TappedVGG(taps=('conv1_2',), base_channels=WIDTH, norm_cfg=norm, pad_with_bias=True)
    with pytest.raises(
        TypeError, match='goes with batch normalisation or none, not with GroupNorm'
    ):
        network(torch.zeros(1, 3, 32, 32))
