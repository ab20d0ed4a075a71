import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from labelenc_mm.networks import TappedDenseNet, TappedVGG
from labelenc_mm.networks.batch_norm_absorption import AbsorptionError, absorb_batch_norm

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
RESNET = dict(
    type='ResNet', depth=18, base_channels=4, num_stages=2, out_indices=(0, 1),
    strides=(1, 2), dilations=(1, 1),
)  # fmt: skip


def run(network):
    return network(IMAGE)


def vgg(norm_cfg, **options):
    taps = ('conv1_1', 'conv3_3', 'conv5_3', 'fc7')
    options = dict(taps=taps, base_channels=2, fc_channels=6, **options)
    return TappedVGG(norm_cfg=norm_cfg, fc_norm_cfg=norm_cfg, **options)


def trained(network):
    """Statistics, scales and shifts as a training might leave them."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
            module.num_batches_tracked.fill_(7)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias)
    network.eval()
    return network


@pytest.mark.parametrize('pad_with_bias', [False, True])
@pytest.mark.parametrize('affine', [False, True])
def test_outputs_are_those_before_and_weights_those_of_the_network_without(affine, pad_with_bias):
    network = trained(vgg(dict(type='BN', affine=affine), pad_with_bias=pad_with_bias))
    before = run(network)
    pairs = absorb_batch_norm(network, run)
    assert len(pairs) == 15 and pairs[0] == ('conv1_1.conv', 'conv1_1.norm')
    plain = vgg(None, pad_with_bias=pad_with_bias).eval()
    plain.load_state_dict(network.state_dict(), strict=True)
    for old, new in zip(before, run(plain)):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-4)
        assert old.abs().max() > 0.1


def test_sync_bn_is_absorbed_as_batch_normalisation():
    network = trained(vgg(dict(type='SyncBN')))
    assert isinstance(network.conv1_1.norm, nn.SyncBatchNorm)
    before = run(network)
    assert len(absorb_batch_norm(network, run)) == 15
    plain = vgg(None).eval()
    plain.load_state_dict(network.state_dict(), strict=True)
    for old, new in zip(before, run(plain)):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-4)


def test_one_layer_by_its_formula():
    unit = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0))
    unit[0].weight.data.fill_(3.0)
    unit[0].bias.data.fill_(5.0)
    norm = unit[1]
    norm.running_mean.fill_(1)
    norm.running_var.fill_(4)
    norm.weight.data.fill_(10.0)
    norm.bias.data.fill_(0.5)
    norm.num_batches_tracked.fill_(1)
    absorb_batch_norm(unit, lambda network: network(torch.ones(1, 1, 2, 2)))
    assert (unit[0].weight.item(), unit[0].bias.item()) == (15.0, 20.5)


def test_resnet_keeps_its_layers_and_only_where_asked():
    init_default_scope('mmseg')
    network = trained(MODELS.build(RESNET))
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(AbsorptionError, match=r'bn1: conv1 has no bias.*--keep-layers'):
        absorb_batch_norm(network, run)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    before = run(network)
    pairs = absorb_batch_norm(network, run, keep_layers=True)
    assert ('layer2.0.downsample.0', 'layer2.0.downsample.1') in pairs
    for old, new in zip(before, run(network)):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-5)
    assert (network.bn1.running_mean == 0).all() and (network.bn1.weight == 1).all()
    stock = MODELS.build(RESNET)
    stock.load_state_dict(network.state_dict(), strict=True)


def refused(network, image=IMAGE, **options):
    with pytest.raises(AbsorptionError) as error:
        absorb_batch_norm(network, lambda net: net(image), **options)
    return str(error.value)


def test_a_shift_that_no_layer_can_take_is_refused_even_with_layers_kept():
    unit = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2, affine=False))
    message = refused(trained(unit), keep_layers=True)
    assert 'neither it nor 0 has a bias' in message and 'norm_cfg.affine=True' in message


def test_normalisation_before_its_convolution_is_refused():
    arch = dict(depths=(1, 1), growth_rate=4, stem_channels=4, transitions=(2,))
    message = refused(trained(TappedDenseNet(arch=arch)))
    assert 'pre-activation, as in DenseNet' in message


def test_statistics_that_were_never_gathered_are_refused():
    message = refused(vgg(dict(type='BN', affine=False)).eval())
    assert 'conv1_1.norm: its statistics were never gathered' in message
    assert 'conv5_3.norm' in message  # all of them at once


class Shared(nn.Module):
    """One layer for the outputs of two convolutions."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(2))
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        for conv in self.convs:
            x = self.norm(conv(x)).relu()
        return [x]


class Twice(nn.Module):
    """A module that runs two times."""

    def __init__(self):
        super().__init__()
        self.unit = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU())

    def forward(self, x):
        return [self.unit(self.unit(x))]


class Beside(nn.Module):
    """The output of a convolution, used with and without its normalisation."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        x = self.conv(x)
        return [self.norm(x) + x]


class Idle(nn.Module):
    """A layer that another one stands in for."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return [self.norm(self.conv(x))]


@pytest.mark.parametrize(
    ('network', 'reason'),
    [
        (Idle, 'other: does not run'),
        (Shared, 'norm: it, or its convolution, runs 2 times'),
        (Twice, 'unit.1: it, or its convolution, runs 2 times'),
        (Beside, 'is used beside its normalisation, too'),
    ],
)
def test_what_is_used_elsewhere_is_refused_and_stays_as_it_was(network, reason):
    network = trained(network())
    state = {key: value.clone() for key, value in network.state_dict().items()}
    assert reason in refused(network)
    assert list(network.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_statistics_that_are_no_numbers_leave_the_network_as_it_was():
    unit = trained(nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)))
    unit[1].running_mean[0] = float('nan')
    weight = unit[0].weight.clone()
    with pytest.raises(AbsorptionError, match='would differ by nan'):
        absorb_batch_norm(unit, run)
    assert torch.equal(unit[0].weight, weight) and isinstance(unit[1], nn.BatchNorm2d)


def test_statistics_without_a_counter_are_statistics():
    """Old checkpoints and converted ones have none."""
    unit = trained(nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)))
    unit[1].num_batches_tracked.zero_()
    before = run(unit)
    assert len(absorb_batch_norm(unit, run)) == 1
    torch.testing.assert_close(run(unit), before, atol=1e-5, rtol=1e-4)
