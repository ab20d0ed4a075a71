"""The projected hypercolumn against the one that is built: upsample, concatenate, convolve."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from labelenc_mm.networks import (
    HypercolumnProjection,
    TappedVGG,
    pixel_grid,
    sample_points,
    upsample_by_stride,
)

CHANNELS, STRIDES = (3, 4, 5, 6, 7), (1, 2, 2, 8, 16)
SIZES = ((32, 48), (37, 51))
NORM = dict(type='BN', affine=False)


def pyramid(size, batch=2):
    return [
        3 + torch.randn(batch, channels, size[0] // stride, size[1] // stride)
        for channels, stride in zip(CHANNELS, STRIDES)
    ]


def concatenated(projection, features, size):
    """The plain form."""
    column = torch.cat(
        [
            upsample_by_stride(norm(feature), stride, size)
            for feature, stride, norm in zip(features, projection.strides, projection.norms)
        ],
        dim=1,
    )
    weight = torch.cat([conv.weight for conv in projection.projections], dim=1)
    return torch.nn.functional.conv2d(column, weight, projection.bias)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('norm_cfg', [None, NORM])
def test_equals_the_concatenated_form_with_gradients(size, norm_cfg):
    projection = HypercolumnProjection(CHANNELS, STRIDES, 6, norm_cfg)
    torch.nn.init.normal_(projection.bias)
    features = [feature.requires_grad_() for feature in pyramid(size)]
    seed = torch.randn(2, 6, *size) / 1000
    results = []
    for form in (projection, lambda *given: concatenated(projection, *given)):
        output = form(features, size)
        sources = [*features, *projection.parameters()]
        results.append((output, *torch.autograd.grad((output * seed).sum(), sources)))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('num_points', [1, 200, 2000])
def test_points_equal_the_dense_output_with_gradients(size, num_points):
    """1, 200 and 2000 points: no, some and all taps have fewer cells and are projected first."""
    projection = HypercolumnProjection(CHANNELS, STRIDES, 6, NORM)
    features = [feature.requires_grad_() for feature in pyramid(size)]
    points = (torch.rand(2, num_points, 2) * torch.tensor([size[1], size[0]])).floor()
    x, y = points.long().unbind(-1)
    images = torch.arange(2).view(2, 1)
    seed = torch.randn(2, 6, num_points, 1) / 100
    results = []
    for values in (
        projection.at_points(features, points, size),
        projection(features, size)[images, :, y, x].transpose(1, 2).unsqueeze(-1),
    ):
        gradients = torch.autograd.grad((values * seed).sum(), [*features, projection.bias])
        results.append((values, *gradients))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_normalised_taps_have_zero_mean_and_unit_variance():
    projection = HypercolumnProjection(CHANNELS, STRIDES, 2, NORM)
    assert [name for name, _ in projection.norms.named_parameters()] == []
    features = pyramid((32, 48), batch=4)
    for norm, feature in zip(projection.norms, features):
        normalised = norm(7 * feature)
        torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(feature.shape[1]))
        assert normalised.var((0, 2, 3), correction=0) == pytest.approx(1, abs=1e-3)


def test_dense_training_with_dropout_in_bfloat16_stays_within_the_image():
    """bfloat16 has no whole numbers above 256 but every second."""
    projection = HypercolumnProjection(CHANNELS, STRIDES, 6, dropout=1e-9)
    size = (64, 320)
    features = [torch.randn(1, c, size[0] // s, size[1] // s) for c, s in zip(CHANNELS, STRIDES)]
    exact = projection(features, size)
    rounded = projection.bfloat16()([f.bfloat16() for f in features], size).float()
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05 * float(exact.abs().max()))


def test_dropout_differs_from_pixel_to_pixel_and_rests_in_testing():
    projection = HypercolumnProjection(CHANNELS, STRIDES, 6, dropout=0.5)
    plain = HypercolumnProjection(CHANNELS, STRIDES, 6)
    plain.load_state_dict(projection.state_dict())
    features = [torch.ones_like(feature) for feature in pyramid((32, 48))]
    output = projection(features, (32, 48))
    assert output.flatten(2).std(dim=2).min() > 0.05  # equal features, another draw at each pixel
    # Survivors count double, so the mean stays: 3072 pixels of deviation about 1.3.
    expected = plain(features, (32, 48))
    torch.testing.assert_close(output.mean((0, 2, 3)), expected.mean((0, 2, 3)), atol=0.12, rtol=0)
    assert torch.equal(projection.eval()(features, (32, 48)), expected)


def vgg_at(size, batch=1):
    """What VGG-16 gives out for an image, shapes only."""
    with torch.device('meta'):
        backbone = TappedVGG()
        return backbone, backbone(torch.empty(batch, 3, *size))


def test_vgg16_needs_fifteen_times_fewer_operations():
    size = (256, 256)
    backbone, features = vgg_at(size)
    with torch.device('meta'):
        projection = HypercolumnProjection(backbone.tap_channels, backbone.tap_strides, 21)
    counts = []
    for form in (projection, lambda *given: concatenated(projection, *given)):
        with FlopCounterMode(display=False) as counter:
            form(features, size)
        counts.append(counter.get_total_flops())
    assert counts[1] == 2 * 4224 * 21 * 256 * 256  # one multiplication and one addition each
    assert counts[1] / counts[0] == pytest.approx(15.6, abs=0.1)


def saved_bytes(function):
    """What a forward pass keeps for the backward pass, each storage once."""
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(kept.values())


def test_memory_of_points_grows_with_points_and_not_with_pixels():
    projection = HypercolumnProjection(CHANNELS, STRIDES, 32)

    def kept(size, num_points):
        features = [feature.requires_grad_() for feature in pyramid(size)]
        points = torch.rand(2, num_points, 2) * 64
        return saved_bytes(lambda: projection.at_points(features, points, size))

    weights = sum(conv.weight.numel() * 4 for conv in projection.projections)
    few, many, larger = kept((64, 96), 10), kept((64, 96), 20), kept((128, 192), 10)
    assert few == larger
    assert many - weights == pytest.approx(2 * (few - weights), rel=0.05)
    features = pyramid((64, 96))
    assert many < saved_bytes(lambda: concatenated(projection, features, (64, 96))) / 20


def test_sampling_what_was_projected_once():
    projection = HypercolumnProjection(CHANNELS, STRIDES, 6, NORM).eval()
    features, size = pyramid((37, 51)), (37, 51)
    grid = pixel_grid(size).expand(2, -1, -1)
    projected = projection.project(features, size)
    chunks = [projection.sample(projected, chunk) for chunk in grid.split(500, dim=1)]
    torch.testing.assert_close(
        torch.cat(chunks, 2).view(2, 6, *size), projection(features, size), rtol=1e-5, atol=1e-5
    )
    assert sorted(projected) == [1, 2, 8, 16]  # two taps share a stride
    expected = sum(
        sample_points(conv(norm(feature)), grid, stride)
        for conv, norm, feature, stride in zip(
            projection.projections, projection.norms, features, STRIDES
        )
    )
    torch.testing.assert_close(torch.cat(chunks, 2)[..., 0], expected, rtol=1e-5, atol=1e-5)


def test_wrong_taps_are_named():
    projection = HypercolumnProjection(CHANNELS, STRIDES, 6)
    features = pyramid((32, 48))
    with pytest.raises(ValueError, match='4 feature maps for 5 taps'):
        projection(features[:4], (32, 48))
    with pytest.raises(ValueError, match=r'tap 3 has 6 channels of \(4, 6\) cells .* \(64, 48\)'):
        projection([*pyramid((64, 48))[:3], *features[3:]], (64, 48))
    with pytest.raises(ValueError, match='tap 0 has 4 channels'):
        projection([features[0].repeat(1, 2, 1, 1)[:, :4], *features[1:]], (32, 48))
    with pytest.raises(ValueError, match='one entry a tap'):
        HypercolumnProjection(CHANNELS, STRIDES[:3], 6)
