"""Points and whole grids against a loop over points, grid_sample and F.interpolate."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.networks import pixel_grid, sample_points, upsample_by_stride

STRIDES = (1, 2, 8, 32)


def plain_sample(features, points, stride):
    """One point at a time, weighing the four nearest cell centres."""
    n, c, h, w = features.shape
    out = np.zeros((n, c, points.shape[1]))
    for i, image in enumerate(points):
        for p, (x, y) in enumerate(image):
            for axis_y in range(h):
                for axis_x in range(w):
                    # Distance to the centre of the cell, in cells; the outermost reach to infinity.
                    u = min(max((x + 0.5) / stride - 0.5, 0), w - 1)
                    v = min(max((y + 0.5) / stride - 0.5, 0), h - 1)
                    weight = max(0, 1 - abs(u - axis_x)) * max(0, 1 - abs(v - axis_y))
                    out[i, :, p] += weight * features[i, :, axis_y, axis_x]
    return out


@pytest.mark.parametrize('stride', STRIDES)
def test_points_equal_a_loop_over_points(stride):
    size = (45, 70)  # no multiple of any stride but 1
    features = torch.randn(2, 3, max(size[0] // stride, 1), size[1] // stride)
    corners = torch.tensor([[0.0, 0.0], [69, 0], [0, 44], [69, 44]])
    points = torch.cat([torch.rand(2, 6, 2) * torch.tensor([69, 44]), corners.expand(2, -1, -1)], 1)
    found = sample_points(features, points, stride)
    expected = plain_sample(features.numpy(), points.numpy(), stride)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def grid_sample(features, points, stride):
    covered = torch.tensor([features.shape[-1], features.shape[-2]]) * stride
    grid = (2 * points + 1) / covered - 1
    return F.grid_sample(
        features, grid.unsqueeze(2), padding_mode='border', align_corners=False
    ).squeeze(-1)


@pytest.mark.parametrize('stride', STRIDES)
def test_points_equal_grid_sample_with_gradients(stride):
    features = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    points = torch.rand(2, 9, 2, dtype=torch.float64) * torch.tensor([5 * stride, 3 * stride])
    weights = torch.randn(2, 4, 9, dtype=torch.float64)
    results = []
    for function in (sample_points, grid_sample):
        values = function(features, points, stride)
        results.append((values, *torch.autograd.grad((values * weights).sum(), features)))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected)


def test_gradients_are_those_of_finite_differences():
    features = torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    points = torch.rand(1, 4, 2, dtype=torch.float64) * 12
    assert torch.autograd.gradcheck(lambda x: sample_points(x, points, 4), features)


@pytest.mark.parametrize('stride', STRIDES)
def test_channels_last_maps_and_whole_number_points(stride):
    features = torch.randn(2, 8, 4, 4)
    points = torch.randint(0, 4 * stride, (2, 7, 2))
    expected = sample_points(features, points.float(), stride)
    found = sample_points(features.contiguous(memory_format=torch.channels_last), points, stride)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('stride', STRIDES)
@pytest.mark.parametrize('rounding', [math.floor, math.ceil])
def test_dense_equals_points_for_any_size(stride, rounding):
    """Maps that cover less than the image (VGG rounds down) and more (ResNet rounds up)."""
    size = (41, 70)
    features = torch.randn(2, 3, *(max(rounding(length / stride), 1) for length in size))
    found = upsample_by_stride(features, stride, size)
    assert found.shape == (2, 3, *size)
    points = pixel_grid(size).expand(2, -1, -1)
    torch.testing.assert_close(
        found.flatten(2), sample_points(features, points, stride), rtol=1e-4, atol=1e-5
    )


def test_dense_equals_interpolate_for_multiples():
    features = torch.randn(2, 3, 4, 6)
    expected = F.interpolate(features, scale_factor=8, mode='bilinear', align_corners=False)
    assert torch.equal(upsample_by_stride(features, 8, (32, 48)), expected)


def test_grid_of_cell_centres():
    assert pixel_grid((2, 3)).tolist() == [[[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]]
    assert pixel_grid((4, 6), 4).tolist() == [[[1.5, 1.5], [5.5, 1.5]]]
