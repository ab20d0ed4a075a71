"""The streaming distance against standardise, concatenate, mse_loss (the released code's form)."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.networks import FeatureAdaptationBlock, feature_distance, likeness_of_images

SIZES = ((16, 20), (8, 10), (3, 5))


def plain_distance(features, targets):
    norm = torch.nn.GroupNorm(1, features[0].shape[1], affine=False).to(features[0].dtype)
    sides = [
        torch.cat([norm(level).flatten(2) for level in side], dim=2) for side in (features, targets)
    ]
    return F.mse_loss(*sides)


def pyramids(offset=0.0):
    generator = torch.Generator().manual_seed(0)
    return [
        [
            offset + torch.randn(2, 6, *size, generator=generator) * (level + 1)
            for level, size in enumerate(SIZES)
        ]
        for _ in range(2)
    ]


@pytest.mark.parametrize('offset', [0.0, 30.0])
def test_equals_the_plain_form_with_gradients(offset):
    features, targets = pyramids(offset)
    results = []
    for function in (lambda *sides: feature_distance(*sides)[0], plain_distance):
        inputs = [level.clone().requires_grad_() for level in features]
        value = function(inputs, targets)
        value.backward()
        results.append((value.detach(), [level.grad for level in inputs]))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-5, atol=1e-6)
    for found, expected in zip(results[0][1], results[1][1]):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_is_twice_one_minus_pearson_weighted_by_level_size():
    features, targets = pyramids()
    distance, correlations = feature_distance(features, targets)
    expected, weight = 0.0, 0
    for index, (feature, target) in enumerate(zip(features, targets)):
        rhos = [
            torch.corrcoef(torch.stack([feature[image].flatten(), target[image].flatten()]))[0, 1]
            for image in range(2)
        ]
        assert correlations[index] == pytest.approx(float(sum(rhos)) / 2, abs=1e-5)
        expected += sum(2 * (1 - float(rho)) / 2 for rho in rhos) * feature[0].numel()
        weight += feature[0].numel()
    assert float(distance) == pytest.approx(expected / weight, rel=1e-4)


def test_by_channel_equals_standardised_channels():
    features, targets = pyramids(30.0)
    found, correlations = feature_distance(features, targets, by_channel=True)
    norm = torch.nn.BatchNorm2d(6, affine=False)
    squares = [
        (norm(feature) - norm(target)).square()
        for feature, target in zip(features, targets, strict=True)
    ]
    torch.testing.assert_close(
        found, torch.cat([level.flatten() for level in squares]).mean(), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        correlations, torch.stack([1 - level.mean() / 2 for level in squares]), rtol=1e-4, atol=1e-5
    )
    # 1 - Pearson of a channel, as PKD has it.
    channels = zip(features[0].transpose(0, 1), targets[0].transpose(0, 1), strict=True)
    rhos = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in channels]
    torch.testing.assert_close(correlations[0], torch.stack(rhos).mean(), rtol=1e-4, atol=1e-5)


def test_ends_of_the_range():
    features, _ = pyramids()
    assert feature_distance(features, features)[0] == pytest.approx(0, abs=1e-4)
    opposite = [3 - 2 * level for level in features]
    assert feature_distance(features, opposite)[0] == pytest.approx(4, abs=1e-3)


def test_constant_features_and_half_precision_stay_finite():
    features, targets = pyramids()
    constant = [torch.zeros_like(level).requires_grad_() for level in features]
    distance, correlations = feature_distance(constant, targets)
    distance.backward()
    assert torch.isfinite(distance) and torch.isfinite(correlations).all()
    assert all(torch.isfinite(level.grad).all() for level in constant)
    large = [(level * 3000).half() for level in features]  # squares overflow float16
    assert torch.isfinite(feature_distance(large, targets)[0])
    assert feature_distance(large, targets)[0].dtype == torch.float32


def test_float32_under_autocast():
    features, targets = pyramids()
    expected, _ = feature_distance(features, targets)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(feature_distance(features, targets)[0], expected)


def test_mismatch_is_an_error():
    features, targets = pyramids()
    with pytest.raises(ValueError, match='levels differ'):
        feature_distance(features, targets[:2])


def test_adaptation_is_one_block_of_three_convolutions_for_all_levels():
    block = FeatureAdaptationBlock(6)
    features, _ = pyramids()
    weights = [layer for layer in block.layers if isinstance(layer, torch.nn.Conv2d)]
    assert len(weights) == 3
    for found, level in zip(block(features), features):
        x = level
        for index, conv in enumerate(weights):
            x = F.conv2d(x, conv.weight, conv.bias, padding=1)
            x = x.relu() if index < 2 else x
        torch.testing.assert_close(found, x)


def test_images_are_as_alike_as_the_mean_pair_of_the_level_that_differs_most():
    generator = torch.Generator().manual_seed(0)
    shared, own = (torch.randn(n, 6, 8, 10, generator=generator) for n in (1, 3))
    different, similar = own, shared + 0.1 * own
    rows = different.flatten(1).numpy()
    pairs = [np.corrcoef(rows[i], rows[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))]
    found = likeness_of_images([similar, different])
    assert found == pytest.approx(np.mean(pairs), abs=1e-5)
    assert 0.9 < likeness_of_images([similar]) < 1
    with torch.autocast('cpu', torch.bfloat16):
        assert likeness_of_images([similar, different]) == found


@pytest.mark.parametrize('value', [0.0, 3.0, float('nan'), float('inf')])
def test_images_without_features_are_the_same(value):
    assert likeness_of_images([torch.full((2, 4, 5, 5), value)]) == pytest.approx(1)
