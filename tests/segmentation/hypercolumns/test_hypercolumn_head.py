"""Hypercolumn heads inside mmseg's EncoderDecoder: losses, sparse and dense forms, sizes, FCN."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from labelenc_mm.networks import upsample_by_stride

K = 5
VGG = dict(type='TappedVGG', base_channels=2, taps=('conv1_2', 'conv3_3', 'conv5_3'))
CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)
MLP = dict(mlp_channels=(12, 7))
NORM = dict(type='BN', affine=False)
DENSENET = dict(
    type='TappedDenseNet',
    arch=dict(depths=(1, 1), growth_rate=4, stem_channels=4, transitions=(2,)),
)
RESNET = dict(
    type='TappedBackbone',
    backbone=dict(type='ResNet', depth=18, base_channels=4, num_stages=2, strides=(1, 2),
                  dilations=(1, 1), out_indices=(0, 1)),
    taps=('relu', 'layer1', 'output1'),
)  # fmt: skip
MMDET = dict(RESNET, backbone=dict(RESNET['backbone'], type='mmdet.ResNet', frozen_stages=-1))


def segmentor(backbone=VGG, type='HypercolumnHead', test_cfg=None, **options):
    """Built from a config that reads channels and strides off the backbone."""
    taps = MODELS.build(backbone)
    config = dict(
        type='EncoderDecoder',
        backbone=backbone,
        decode_head=dict(
            type=type,
            in_channels=taps.tap_channels,
            strides=taps.tap_strides,
            num_classes=K,
            **{'loss_decode': CROSS_ENTROPY, **options},
        ),
        train_cfg=dict(),
        test_cfg=test_cfg or dict(mode='whole'),
    )
    model = MODELS.build(ConfigDict(config))
    model.init_weights()
    return model


def batch(size, count=2, void=0.2):
    labels = torch.randint(0, K, (count, 1, *size))
    labels[torch.rand(labels.shape) < void] = 255
    samples = [
        SegDataSample(
            metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size),
            gt_sem_seg=PixelData(data=image),
        )
        for image in labels
    ]
    return torch.randn(count, 3, *size), samples


@pytest.mark.parametrize('backbone', [VGG, DENSENET, RESNET, MMDET])
@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(tap_norm_cfg=NORM, num_points=50),
        dict(MLP, num_points=50, hypercolumn_dropout=0.5),
        dict(MLP, test_stride=4, test_chunk=30),
        dict(type='FCNSkipHead', tap_norm_cfg=NORM),
    ],
)
def test_trains_and_predicts_for_sizes_that_are_no_multiples(backbone, options):
    model = segmentor(backbone, **options)
    images, samples = batch((43, 38))
    losses = model.loss(images, samples)
    assert sorted(losses) == ['decode.acc_seg', 'decode.loss_ce']
    losses['decode.loss_ce'].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []  # so that DDP needs no search for unused parameters
    results = model.eval().predict(images, samples)
    assert results[0].seg_logits.data.shape == (K, 43, 38)
    assert torch.equal(results[0].pred_sem_seg.data[0], results[0].seg_logits.data.argmax(0))


@pytest.mark.parametrize('options', [{}, MLP])
def test_all_labelled_points_give_the_dense_loss_and_gradients(options):
    """Points at every labelled pixel, in whatever order, are the dense training."""
    model = segmentor(**options, mlp_dropout=0.0)
    images, samples = batch((32, 48))
    results = []
    for num_points in (None, 32 * 48):
        model.decode_head.num_points = num_points
        losses = model.loss(images, samples)
        gradients = torch.autograd.grad(losses['decode.loss_ce'], list(model.parameters()))
        results.append((*losses.values(), *gradients))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_sparse_loss_is_the_cross_entropy_at_the_drawn_points(monkeypatch):
    model = segmentor(num_points=20)
    images, samples = batch((32, 48))
    x, y = torch.randint(0, 48, (2, 20)), torch.randint(0, 32, (2, 20))
    labels = torch.stack([s.gt_sem_seg.data[0] for s in samples])[torch.arange(2).view(2, 1), y, x]
    points = torch.stack([x, y], -1).float()
    monkeypatch.setattr(
        'labelenc_mm.segmentation.hypercolumns.hypercolumn_head.draw_points',
        lambda *_: (points, labels),
    )
    found = model.loss(images, samples)['decode.loss_ce']
    logits = model.eval().encode_decode(images, [s.metainfo for s in samples])
    chosen = logits[torch.arange(2).view(2, 1), :, y, x]  # (N, P, K)
    expected = F.cross_entropy(chosen.flatten(0, 1), labels.flatten(), ignore_index=255)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('options', [{}, dict(num_points=40), dict(MLP, num_points=40)])
def test_images_without_any_label_give_zero_loss_and_zero_gradients(options):
    model = segmentor(**options)
    images, samples = batch((32, 32), void=1.1)
    losses = model.loss(images, samples)
    assert losses['decode.loss_ce'] == 0
    losses['decode.loss_ce'].backward()
    assert all((p.grad == 0).all() for p in model.parameters())


@pytest.mark.parametrize('test_stride', [1, 4])
def test_chunks_do_not_change_predictions(test_stride):
    model = segmentor(**MLP, tap_norm_cfg=NORM, test_stride=test_stride).eval()
    images, samples = batch((43, 38))
    outputs = []
    for chunk in (None, 100, 7):
        model.decode_head.test_chunk = chunk
        outputs.append(model.encode_decode(images, [s.metainfo for s in samples]))
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], rtol=1e-5, atol=1e-6)


def test_chunked_prediction_is_that_of_the_training_form():
    model = segmentor(**MLP, mlp_dropout=0.0)
    images, _ = batch((43, 38))
    with torch.no_grad():
        features = model.extract_feat(images)
        dense = model.decode_head.train()(features, (43, 38))
        torch.testing.assert_close(
            model.decode_head.eval()(features, (43, 38)), dense, rtol=1e-5, atol=1e-6
        )


def test_test_stride_evaluates_the_centres_of_squares():
    model = segmentor(**MLP).eval()
    features = model.extract_feat(batch((32, 32))[0])
    head = model.decode_head
    centres = torch.tensor([[3.5, 3.5], [11.5, 3.5]]).expand(2, -1, -1)
    expected = head.forward_points(features, centres, (32, 32))[..., 0]
    head.test_stride = 8
    coarse = head(features, (32, 32))
    # Pixels 3 and 4 lie half a pixel to either side of a centre.
    found = torch.stack([coarse[:, :, 3:5, x : x + 2].mean((2, 3)) for x in (3, 11)], dim=-1)
    torch.testing.assert_close(found[..., 1], expected[..., 1], rtol=1e-2, atol=1e-3)
    assert torch.equal(coarse[:, :, 0, 0], coarse[:, :, 3, 3])  # constant beyond the outer centres
    torch.testing.assert_close(coarse[:, :, 3, 3], expected[..., 0])


def test_sliding_windows_of_any_size():
    test_cfg = dict(mode='slide', crop_size=(30, 26), stride=(17, 13))
    model = segmentor(test_cfg=test_cfg).eval()
    images, samples = batch((43, 38), count=1)
    window = model.encode_decode(images[..., :30, :26], [dict(img_shape=torch.Size((30, 26)))])
    logits = model.inference(images, [samples[0].metainfo])
    assert logits.shape == (1, K, 43, 38)
    # The corner that only the first window covers.
    torch.testing.assert_close(logits[..., :13, :12], window[..., :13, :12])


def test_padded_input_is_scored_whole():
    model = segmentor().eval()
    images, _ = batch((48, 48), count=1)
    meta = dict(img_shape=(43, 38), ori_shape=(43, 38), pad_shape=(48, 48))
    assert model.encode_decode(images, [meta]).shape == (1, K, 48, 48)


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


def test_linear_head_has_no_second_classifier_and_an_mlp_ends_in_mmsegs():
    assert not any('conv_seg' in key for key in segmentor().state_dict())
    head = segmentor(**MLP).decode_head
    assert head.conv_seg.weight.shape == (K, 7, 1, 1)
    assert head.projection.projections[0].weight.shape == (12, 2, 1, 1)


def test_default_output_covers_the_finest_tap():
    model = segmentor(dict(VGG, taps=('conv2_1', 'conv4_1')))
    assert model(torch.randn(1, 3, 43, 38)).shape == (1, K, 42, 38)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(align_corners=True), 'align_corners must be False'),
        (dict(test_stride=4), 'test_stride=4 saves nothing'),
        (dict(num_points=0), 'num_points=0'),
        (dict(num_points=5, ignore_index=None), 'ignore_index=None'),
        (dict(type='FCNSkipHead', num_points=5), 'trains at all pixels'),
        (dict(type='FCNSkipHead', **MLP), 'is linear'),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        segmentor(**options)


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
