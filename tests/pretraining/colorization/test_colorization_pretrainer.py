import numpy as np
import pytest
import torch
from colorization_models import POINTS, VGG, build_pretrainer, photo_batch
from torch import nn

from labelenc_mm.networks.point_drawing import draw_uniform
from labelenc_mm.pretraining import ColorHistogramLoss, ColorHistogramTargets

LITE = dict(type='EfficientNetLite', out_indices=(0, 1, 2))
OF_LITE = dict(mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True)
REGRESSION = dict(type='ColorRegressionHead')


def seen_by_backbone(model, data, training=True):
    """What enters the first convolution."""
    seen = []
    first = next(m for m in model.backbone.modules() if isinstance(m, nn.Conv2d))
    handle = first.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    batch = model.data_preprocessor(data, training)
    model(**batch, mode='loss' if training else 'predict')
    handle.remove()
    return seen[0]


@pytest.mark.parametrize('training', [True, False])
def test_the_backbone_sees_the_mean_of_the_channels_from_0_to_1_less_its_mean(training):
    model = build_pretrainer().train(training)
    data = photo_batch()
    expected = np.stack([photo.numpy().astype(float).mean(0) / 255 for photo in data['inputs']])
    seen = seen_by_backbone(model, data, training)
    assert seen.shape == (2, 1, 64, 64)
    np.testing.assert_allclose(seen[:, 0], expected - 114.45 / 255, atol=1e-6)
    assert abs(114.45 / 255 - 0.4488) < 1e-4


def test_a_backbone_of_three_channels_sees_three_equal_ones_in_its_own_scale():
    model = build_pretrainer(LITE, OF_LITE)
    data = photo_batch()
    expected = np.stack([photo.numpy().astype(float).mean(0) for photo in data['inputs']])
    seen = []
    handle = model.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(**model.data_preprocessor(data, True), mode='loss')
    handle.remove()
    for channel in range(3):
        np.testing.assert_allclose(seen[0][:, channel], (expected - 127) / 128, atol=1e-5)


@pytest.mark.parametrize('head', [{}, REGRESSION])
@pytest.mark.parametrize(('backbone', 'preprocessor'), [(VGG, None), (LITE, OF_LITE)])
def test_all_of_backbone_and_head_has_a_gradient(head, backbone, preprocessor):
    model = build_pretrainer(backbone, preprocessor, **head).train()
    losses = model(**model.data_preprocessor(photo_batch(), True), mode='loss')
    assert set(losses) == {'loss_color'}
    losses['loss_color'].backward()
    # That of the first layers is tiny behind a projection of 1e-4; none is missing, none a NaN.
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_loss_is_that_of_the_colors_of_the_files_at_the_drawn_points():
    """Computed once more from the 8 bits, without normalisation and its way back."""
    model = build_pretrainer(mlp_dropout=0.0).eval()
    data = photo_batch()
    rgb = torch.stack([photo.flip(0) for photo in data['inputs']]) / 255
    batch = model.data_preprocessor(data, True)
    torch.manual_seed(3)
    found = model.loss(**batch)['loss_color']
    torch.manual_seed(3)
    targets = ColorHistogramTargets()
    known = torch.zeros(2, 64, 64, dtype=torch.bool)
    known[:, 4:60, 4:60] = True
    points = draw_uniform(known, 20)
    features = model.extract_feat(rgb.mean(1, keepdim=True) - 114.45 / 255)
    scores = model.decode_head.forward_points(features, points.coordinates(64), (64, 64))
    expected = ColorHistogramLoss()(scores, *targets.at_points(rgb, points))
    torch.testing.assert_close(found, expected)


def test_no_hypercolumn_reads_the_last_layer_alone():
    model = build_pretrainer(dict(VGG, taps=('fc7',)))
    assert model.decode_head.projection.in_channels == (12,)
    assert model.decode_head.projection.strides == (32,)
    model(**model.data_preprocessor(photo_batch(), True), mode='loss')['loss_color'].backward()


def test_histograms_are_the_papers_unless_another_is_said():
    head = build_pretrainer(head=dict(type='ColorHistogramHead')).decode_head
    assert (head.targets.bins, head.targets.window) == (32, 7)
    assert (head.loss_decode.hue_weight, head.loss_decode.chroma_weight) == (5, 1)


@pytest.mark.parametrize('head', [{}, REGRESSION])
def test_photos_that_a_border_takes_as_a_whole_teach_nothing_and_break_nothing(head):
    sampler = dict(type='UniformPointSampler', num_points=20, border=26)
    model = build_pretrainer(sampler=sampler, **head).train()
    batch = model.data_preprocessor(photo_batch((60, 40), (40, 60)), True)
    assert batch['inputs'].shape[-2:] == (60, 60)  # which has pixels within the border
    loss = model(**batch, mode='loss')['loss_color']
    loss.backward()
    assert loss == 0
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


@pytest.mark.parametrize('head', [{}, REGRESSION])
def test_gray_photos_give_no_nan_and_hue_does_not_learn_of_them(head):
    model = build_pretrainer(**head).train()
    batch = model.data_preprocessor(photo_batch(gray=True), True)
    model(**batch, mode='loss')['loss_color'].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    if not head:
        of_hue, of_chroma = model.decode_head.conv_seg.weight.grad.split(32)
        assert (of_hue == 0).all() and (of_chroma != 0).any()


def test_gray_stays_gray_where_channels_are_normalised_differently():
    """Rounding would leave a color of 1e-7 and any hue."""
    scale = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
    model = build_pretrainer(dict(VGG, in_channels=3), scale).eval()
    batch = model.data_preprocessor(photo_batch(gray=True), False)
    (first, _) = model.predict(**batch)
    assert torch.equal(first.clean.data[0], first.clean.data[2])
    assert first.color_sums['weight'][0] == 0


def test_no_point_is_drawn_in_padding_and_no_window_reads_it():
    small, alone = (40, 24), build_pretrainer(dict(VGG, norm_cfg=None, fc_norm_cfg=None))
    data = photo_batch(small, (64, 64))
    batch = alone.data_preprocessor(data, True)
    assert batch['inputs'].shape[-2:] == (64, 64)
    drawn = []
    targets = alone.decode_head.targets
    at_points = targets.at_points
    targets.at_points = lambda maps, points: drawn.append((maps, points)) or at_points(maps, points)
    alone.loss(**batch)
    maps, points = drawn[0]
    x, y = points.coordinates(64)[0][points.is_drawn[0]].unbind(-1)
    assert x.max() < 24 and y.max() < 40 and len(x) == 20
    photo = data['inputs'][0].flip(0)[None] / 255
    expected = ColorHistogramTargets().everywhere(photo).values
    found = targets.everywhere(maps).values[:1, :, :40, :24]
    torch.testing.assert_close(found, expected)


def test_a_padded_photo_is_learned_from_where_it_is_measured():
    sampler = dict(type='UniformPointSampler', num_points=64 * 64, border=12)
    model = build_pretrainer(sampler=sampler, test_stride=1)
    batch = model.data_preprocessor(photo_batch((40, 40), (64, 64)), True)
    read = []
    at_points = model.decode_head.targets.at_points
    model.decode_head.targets.at_points = lambda *args: read.append(args[1]) or at_points(*args)
    model.loss(**batch)
    model.eval().predict(**batch)
    learned, measured = (
        torch.zeros(2, 64 * 64, dtype=torch.bool).scatter_(1, points.cells, points.is_drawn)
        for points in read
    )
    assert torch.equal(learned, measured) and learned.sum(1).tolist() == [16 * 16, 40 * 40]


@pytest.mark.parametrize('head', [{}, REGRESSION])
def test_a_step_in_mixed_precision_is_nearly_that_in_full(head):
    model = build_pretrainer(mlp_dropout=0.0, backbone=dict(VGG, fc_dropout=0.0), **head)
    batch = model.data_preprocessor(photo_batch(), True)
    losses = []
    for is_mixed in (False, True):
        torch.manual_seed(0)
        with torch.autocast('cpu', torch.bfloat16, enabled=is_mixed):
            loss = model.loss(**batch)['loss_color']
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        assert loss.dtype == torch.float32 and all(torch.isfinite(each).all() for each in gradients)
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4) and losses[0] > 0


@pytest.mark.parametrize('type', ['ColorHistogramHead', 'ColorRegressionHead'])
@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, (128, 96)),
        (dict(num_points=5), (5, 96)),
        (dict(point_border=0), (128, 0)),
        (dict(num_points=5, point_border=7), (5, 7)),
        (dict(sampler=dict(POINTS, num_points=9)), (9, 4)),
        (dict(sampler=None), None),
    ],
)
def test_points_of_a_head_are_128_at_96_pixels_but_for_what_is_said(type, options, expected):
    sampler = build_pretrainer(head=dict(type=type, **options)).decode_head.point_sampler
    assert (sampler and (sampler.num_points, sampler.border)) == expected


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(sampler=None, num_points=5), 'num_points=5 and .* sampler=None trains at all pixels'),
        (dict(sampler=None, point_border=5), 'and point_border=5 are of points'),
        (dict(sampler=POINTS, num_points=5), 'drop one, or set num_points in sampler'),
        (dict(sampler=POINTS, point_border=5), 'set border in sampler'),
    ],
)
def test_points_that_are_said_twice_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_pretrainer(head=dict(type='ColorHistogramHead', **options))


def test_a_border_that_leaves_no_point_is_refused():
    model = build_pretrainer(sampler=dict(type='UniformPointSampler', num_points=5, border=32))
    batch = model.data_preprocessor(photo_batch(), True)
    with pytest.raises(ValueError, match=r'border=32 .* leaves no pixel of images of \(64, 64\)'):
        model.loss(**batch)


@pytest.mark.parametrize('head', [{}, REGRESSION])
def test_pictures_and_sums_of_validation(head):
    model = build_pretrainer(test_stride=1, **head).eval()
    data = photo_batch((48, 40))
    (sample,) = model(**model.data_preprocessor(data, False), mode='predict')
    rgb = data['inputs'][0].flip(0).float()
    torch.testing.assert_close(sample.clean.data, rgb)
    torch.testing.assert_close(sample.gray.data, rgb.mean(0).expand(3, -1, -1))
    # Predicted is next to nothing: the colors are those of the gray photo.
    torch.testing.assert_close(sample.colored.data, sample.gray.data, atol=2, rtol=0)
    torch.testing.assert_close(sample.colored.data.mean(0), rgb.mean(0), atol=1e-3, rtol=0)
    assert all(value.dtype == torch.float64 for value in sample.color_sums.values())


@pytest.mark.parametrize('size', [(1, 1), (1, 70), (33, 31)])
def test_a_photo_of_any_size_is_validated(size):
    """One pixel has no deeper map than the first pooling; what a VGG takes is the measure."""
    model = build_pretrainer(dict(VGG, taps=('data', 'conv1_2'))).eval()
    batch = model.data_preprocessor(photo_batch(size), False)
    (sample,) = model.predict(**batch)
    assert sample.colored.data.shape == (3, *size) and torch.isfinite(sample.colored.data).all()


def test_one_gray_channel_with_three_different_means_is_refused():
    with pytest.raises(ValueError, match=r'data_preprocessor\.mean=.* differs between color'):
        build_pretrainer(preprocessor=dict(mean=[1, 2, 3], std=[1, 1, 1]))


def test_a_head_that_learns_no_colors_is_refused():
    head = dict(type='HypercolumnHead', num_classes=5, num_points=5)
    with pytest.raises(ValueError, match='HypercolumnHead, which learns no colors'):
        build_pretrainer(head=head)


def test_initialisation_is_that_of_the_paper():
    """Xavier, but for a normal distribution of 1e-4 on the hypercolumn."""
    model = build_pretrainer(mlp_channels=(400,), sampler=POINTS)
    first = torch.cat(
        [p.weight.detach().flatten() for p in model.decode_head.projection.projections]
    )
    assert first.std() == pytest.approx(1e-4, rel=0.1)
    bound = (6 / (400 + 64)) ** 0.5
    weight = model.decode_head.conv_seg.weight.detach()
    assert weight.abs().max() == pytest.approx(bound, rel=0.01) and weight.abs().max() <= bound
