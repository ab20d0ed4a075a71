"""FCN's skip layers against the published sum, and against the linear hypercolumn."""

import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import CROSS_ENTROPY, MLP, VGG, K, batch, segmentor
from mmseg.registry import MODELS

from labelenc_mm.networks import upsample_by_stride


def test_fcn_8s_is_the_published_sum_of_skips():
    vgg = dict(VGG, taps=('pool3', 'pool4', 'fc7'), fc_channels=6, fc_dropout=0.0)
    model = segmentor(vgg, type='FCNSkipHead')
    projection = model.decode_head.projection
    assert projection.strides == (8, 16, 32)
    torch.nn.init.normal_(projection.bias)
    images, samples = batch((64, 96))
    pool3, pool4, fc7 = (
        conv(feature) for conv, feature in zip(projection.projections, model.extract_feat(images))
    )

    def up(scores, factor):
        return F.interpolate(scores, scale_factor=factor, mode='bilinear', align_corners=False)

    expected = up(up(up(fc7, 2) + pool4, 2) + pool3, 8) + projection.bias.view(1, -1, 1, 1)
    found = model.encode_decode(images, [s.metainfo for s in samples])
    torch.testing.assert_close(found, expected)
    # Rounded down, 70 pixels are 8, 4 and 2 cells: coarser scores stay in place.
    images, samples = batch((70, 70))
    pool3, pool4, fc7 = (
        conv(feature) for conv, feature in zip(projection.projections, model.extract_feat(images))
    )
    expected = upsample_by_stride(up(up(fc7, 2) + pool4, 2) + pool3, 8, (70, 70))
    found = model.encode_decode(images, [s.metainfo for s in samples])
    torch.testing.assert_close(found, expected + projection.bias.view(1, -1, 1, 1))


def test_fcn_32s_is_the_linear_hypercolumn_of_one_tap():
    vgg = dict(VGG, taps=('fc7',), fc_channels=6, fc_dropout=0.0)
    skip, linear = segmentor(vgg, type='FCNSkipHead'), segmentor(vgg)
    linear.load_state_dict(skip.state_dict())
    images, samples = batch((70, 70))
    metas = [s.metainfo for s in samples]
    torch.testing.assert_close(
        skip.encode_decode(images, metas), linear.encode_decode(images, metas)
    )


def test_strides_that_do_not_divide_each_other_are_refused():
    with pytest.raises(ValueError, match='each must be a multiple of the next finer one'):
        MODELS.build(
            dict(
                type='FCNSkipHead',
                in_channels=(3, 3),
                strides=(2, 3),
                num_classes=K,
                loss_decode=CROSS_ENTROPY,
            )
        )


@pytest.mark.parametrize('options', [MLP, dict(num_points=5), dict(test_stride=4)])
def test_options_of_an_mlp_and_of_points_are_none_of_its_own(options):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{next(iter(options))}'"):
        segmentor(type='FCNSkipHead', **options)
