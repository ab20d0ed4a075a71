"""Backbones with the weights of files of several kinds."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from labelenc_mm.networks import TappedVGG
from labelenc_mm.segmentation.trained_backbone import (
    BackboneWeightsError,
    build_backbone,
    read_weights,
)

VGG = dict(type='TappedVGG', base_channels=2, fc_channels=4, taps=('conv2_2', 'fc7'))


@pytest.fixture
def config():
    init_default_scope('mmseg')
    return Config(dict(model=dict(backbone=VGG)))


def network():
    torch.manual_seed(0)
    return TappedVGG(VGG['taps'], base_channels=2, fc_channels=4)


def test_the_backbone_of_a_segmentor_s_checkpoint_computes_the_same(config, tmp_path):
    own = network().eval()
    state = {f'backbone.{k}': v for k, v in own.state_dict().items()}
    path = tmp_path / 'iter_2.pth'
    torch.save(dict(state_dict={**state, 'decode_head.bias': torch.zeros(1)}, meta={}), path)
    tensors, metadata = read_weights(str(path))
    assert metadata is None and 'decode_head.bias' in tensors
    backbone = build_backbone(config, tensors)
    assert not any(module.training for module in backbone.modules())
    image = torch.randn(1, 3, 64, 64)
    for ours, theirs in zip(backbone(image), own(image)):
        assert torch.equal(ours, theirs)


def test_weights_in_torchvision_s_layout_are_the_backbone_s(config, tmp_path):
    state = {'features.0.weight': torch.zeros(2, 3, 3, 3), 'classifier.0.bias': torch.zeros(4)}
    torch.save(state, tmp_path / 'vgg16.pth')
    tensors, _ = read_weights(str(tmp_path / 'vgg16.pth'))
    assert tensors.keys() == {f'backbone.{key}' for key in state}


def test_what_is_no_backbone_or_another_one_is_refused(config, tmp_path):
    path = tmp_path / 'head.pth'
    torch.save(dict(state_dict={'decode_head.bias': torch.zeros(1)}), path)
    with pytest.raises(
        BackboneWeightsError, match=r'head.pth has no backbone\.\* weights, but decode_head'
    ):
        read_weights(str(path))
    wide = {f'backbone.{k}': torch.cat([v, v]) for k, v in network().state_dict().items()}
    with pytest.raises(BackboneWeightsError, match='do not fit the backbone of the config'):
        build_backbone(config, wide)
