import pytest
import torch

from labelenc_mm.networks import TappedVGG
from labelenc_mm.networks.layer_rebalancing import RebalancingError, rebalance
from labelenc_mm.networks.tapped_vgg import ALL_CONVS

TAPS = ('data', *ALL_CONVS, 'fc6', 'fc7')


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = TappedVGG(TAPS, base_channels=3, fc_channels=8).eval()
    network.init_weights()
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            if parameter.dim() == 1:
                parameter.normal_().mul_(0.1)
            else:
                parameter.mul_(0.3 + index % 3)  # far from balanced
    return network


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 3, 64, 64, generator=generator) for _ in range(2)]


def test_only_the_scales_of_the_taps_change_and_they_have_unit_variance(network, images):
    with torch.no_grad():
        before = [network(batch) for batch in images]
        factors = rebalance(network, iter(images))
        after = [network(batch) for batch in images]
    assert list(factors) == list(TAPS[1:])
    for index, name in enumerate(TAPS):
        old, new = (torch.cat([each[index] for each in maps]) for maps in (before, after))
        factor = factors.get(name, 1.0)
        torch.testing.assert_close(new, old * factor, rtol=1e-3, atol=1e-5)
        if name != 'data':
            assert float(new.std(correction=0)) == pytest.approx(1, rel=1e-3)
            assert not 0.9 < float(old.std()) < 1.1


def test_what_cannot_be_rebalanced_is_refused(network, images):
    with pytest.raises(RebalancingError, match='conv1_1, .*Absorb it first'):
        rebalance(TappedVGG(('conv1_2',), norm_cfg=dict(type='BN')), images)
    with torch.no_grad():
        network.conv2_1.conv.bias.fill_(-1e3)
    with pytest.raises(RebalancingError, match='conv2_1 has the same output everywhere'):
        rebalance(network, images)
    with pytest.raises(RebalancingError, match='there were no images'):
        rebalance(network, [])
