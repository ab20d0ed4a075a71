import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import VGG, segmentor_config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from labelenc_mm.segmentation import FieldOfViewNeck

RESNET = dict(
    type='TappedBackbone',
    backbone=dict(type='ResNet', depth=18, base_channels=4, num_stages=4, strides=(1, 2, 2, 2),
                  dilations=(1, 1, 1, 1)),
    taps=('relu', 'layer2.1', 'layer4'),
)  # fmt: skip


def test_each_block_pools_convolves_and_rectifies_the_last_map():
    neck = FieldOfViewNeck(3, channels=5)
    neck.init_weights()
    first, last = torch.randn(2, 4, 22, 22), torch.randn(2, 3, 11, 9)
    found = neck([first, last])
    assert found[0] is first and found[1] is last
    x = last
    for block, output in zip(neck.blocks, found[2:]):
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        x = F.conv2d(x, block[1].weight, block[1].bias, padding=1).relu()
        torch.testing.assert_close(output, x)
    assert [tuple(each.shape[1:]) for each in found[2:]] == [(5, 6, 5), (5, 3, 3)]


@pytest.mark.parametrize(
    ('backbone', 'channels'),
    [(dict(VGG, taps=('conv1_2', 'fc7'), fc_channels=6), 6), (RESNET, 32)],
)
@pytest.mark.parametrize('size', [(64, 64), (97, 70)])
def test_hypercolumns_on_any_backbone_have_taps_of_stride_64_and_128(backbone, channels, size):
    init_default_scope('mmseg')
    config = segmentor_config(backbone)
    config.neck = dict(type='FieldOfViewNeck', in_channels=channels, channels=5)
    model = MODELS.build(config)
    assert model.decode_head.projection.strides[-2:] == (64, 128)
    assert model.decode_head.projection.in_channels[-3:] == (channels, 5, 5)
    assert not [key for key in model.backbone.state_dict() if 'blocks' in key]
    features = model.extract_feat(torch.randn(1, 3, *size))
    assert model.decode_head.forward(features, size).shape[-2:] == size
