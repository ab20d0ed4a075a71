import math

import pytest
import torch

from labelenc_mm.pretraining.denoising.gaussian_corruption import (
    Corrupted,
    GaussianCorruption,
)
from labelenc_mm.pretraining.inside_images import image_moments

LARGE = (4, 3, 96, 96)  # 110592 numbers: a variance is known to 1 %


@pytest.fixture
def images():
    return torch.randn(LARGE)


def test_the_scaled_form_is_that_of_the_paper(images):
    noise = torch.randn(LARGE)
    result = GaussianCorruption(gamma=0.95)(images, noise=noise)
    torch.testing.assert_close(result.noisy, 0.95**0.5 * images + 0.05**0.5 * noise)
    torch.testing.assert_close(result.restore(noise), images)


def test_the_simple_form_is_that_of_the_paper(images):
    noise = torch.randn(LARGE)
    result = GaussianCorruption(sigma=0.8, form='simple')(images, noise=noise)
    torch.testing.assert_close(result.noisy, images + 0.8 * noise)
    torch.testing.assert_close(result.restore(noise), images)


def test_both_forms_have_the_same_ratio_of_noise_to_image(images):
    noise = torch.randn(LARGE)
    scaled = GaussianCorruption(sigma=0.8)(images, noise=noise)
    simple = GaussianCorruption(gamma=1 / (1 + 0.8**2), form='simple')(images, noise=noise)
    torch.testing.assert_close(scaled.noisy * math.sqrt(1 + 0.8**2), simple.noisy)
    torch.testing.assert_close(scaled.log_sigma, torch.full((4,), math.log(0.8)))
    torch.testing.assert_close(simple.log_sigma, scaled.log_sigma)


@pytest.mark.parametrize('level', [dict(gamma=0.95), dict(gamma=0.1), dict(gamma=(0.0, 1.0))])
def test_unit_variance_stays_in_the_scaled_form(images, level):
    assert GaussianCorruption(**level)(images).noisy.var().item() == pytest.approx(1, rel=0.02)


def test_noise_is_standard_normal_and_drawn_anew(images):
    corruption = GaussianCorruption(gamma=0.5)
    first, second = corruption(images).noise, corruption(images).noise
    assert first.mean().item() == pytest.approx(0, abs=0.02)
    assert first.std().item() == pytest.approx(1, rel=0.02)
    assert (first * second).mean().item() == pytest.approx(0, abs=0.02)


def test_noise_repeats_with_the_seed_of_torch(images):
    corruption = GaussianCorruption(gamma=(0.2, 0.9))
    torch.manual_seed(3)
    first = corruption(images)
    torch.manual_seed(3)
    assert torch.equal(first.noisy, corruption(images).noisy)


def test_a_range_gives_each_image_a_level_of_its_own():
    images = torch.randn(2000, 3, 2, 2)
    result = GaussianCorruption(gamma=(0.9, 0.95))(images)
    gammas = result.signal.square().flatten()
    assert gammas.min() >= 0.9
    assert gammas.max() <= 0.95
    assert gammas.mean().item() == pytest.approx(0.925, abs=0.001)
    assert gammas.std().item() == pytest.approx(0.05 / 12**0.5, rel=0.05)  # uniform
    fixed = GaussianCorruption(gamma=(0.9, 0.95))(images, fixed_level=True)
    torch.testing.assert_close(fixed.signal.square().flatten(), torch.full((2000,), 0.925))


def test_the_whole_range_of_gamma_stays_finite():
    images = torch.zeros(5000, 3, 1, 1)
    result = GaussianCorruption(gamma=(0, 1))(images)
    assert all(part.isfinite().all() for part in (result.noisy, result.signal))
    assert result.log_sigma.isfinite().all()
    assert GaussianCorruption(gamma=(0.999999, 1))(images).log_sigma.isfinite().all()


def test_padding_gets_no_noise(images):
    inside = torch.zeros(4, 1, 96, 96, dtype=torch.bool)
    inside[:, :, :50, :70] = True
    result = GaussianCorruption(gamma=0.5)(images, inside)
    outside = ~inside.expand_as(images)
    assert torch.equal(result.noisy[outside], images[outside])
    assert not torch.equal(result.noisy[..., :50, :70], images[..., :50, :70])


@pytest.mark.parametrize('form', ['scaled', 'simple'])
def test_the_linear_denoiser_is_as_good_as_least_squares(form):
    """The best a and b of a * noisy + b, found by least squares on the data, against the formula."""
    torch.manual_seed(1)
    images = torch.randn(2, 3, 256, 256) * torch.tensor([0.5, 1, 2]).view(3, 1, 1) + 0.3
    corruption = GaussianCorruption(gamma=0.8, form=form)
    result = corruption(images)
    mean, square = image_moments(images, None)
    expected = result.linear_mse(square - mean.square()).mean(0)
    for channel in range(3):
        inputs = result.noisy[:, channel].flatten()
        design = torch.stack([inputs, torch.ones_like(inputs)], 1)
        target = result.noise[:, channel].flatten()
        solution = torch.linalg.lstsq(design, target[:, None]).solution
        residual = (design @ solution - target[:, None]).square().mean().item()
        assert residual == pytest.approx(expected[channel].item(), rel=0.02)


def test_the_figures_of_the_facts():
    """gamma 0.95: what photos allow under ImageNet's norm, and in [-1, 1]."""
    corrupted: Corrupted = GaussianCorruption(gamma=0.95)(torch.zeros(1, 3, 2, 2))
    linear = corrupted.linear_mse(torch.tensor([1.27]))
    assert linear.item() == pytest.approx(0.96, abs=0.003)
    linear = corrupted.linear_mse(torch.tensor([0.26]))
    assert linear.item() == pytest.approx(0.84, abs=0.01)


def test_noise_scaled_to_the_data():
    scale = torch.tensor([0.5, 1.0, 3.0])
    images = torch.randn(4, 3, 128, 128) * scale.view(3, 1, 1)
    corruption = GaussianCorruption(gamma=0.8, unit_variance=True)
    result = corruption(images)
    torch.testing.assert_close(corruption.data_std, scale, rtol=0.02, atol=0)
    torch.testing.assert_close(result.restore(result.noise), images, rtol=1e-4, atol=1e-4)
    # what is explained does not depend on the scale of the data
    linear = result.linear_mse(scale.square())
    torch.testing.assert_close(linear, torch.full_like(linear, 0.8), rtol=0.02, atol=0)
    corruption(images * 10)
    torch.testing.assert_close(corruption.data_std, scale, rtol=0.02, atol=0)


def test_the_measured_scale_comes_back_from_a_checkpoint():
    first = GaussianCorruption(gamma=0.8, unit_variance=True)
    first(torch.randn(2, 3, 32, 32) * 2)
    second = GaussianCorruption(gamma=0.8, unit_variance=True)
    second.load_state_dict(first.state_dict())
    second(torch.randn(2, 3, 32, 32))
    assert torch.equal(first.data_std, second.data_std)
    assert GaussianCorruption(gamma=0.8).state_dict() == {}


def test_validation_before_the_training_measures_for_itself():
    corruption = GaussianCorruption(gamma=0.5, unit_variance=True).eval()
    result = corruption(torch.randn(2, 3, 64, 64) * 2)
    assert result.noise_scale.flatten(1)[0].allclose(torch.full((3,), 2 * 0.5**0.5), rtol=0.1)
    assert torch.equal(corruption.data_std, torch.zeros(3))


def test_moments_leave_padding_out():
    images = torch.randn(2, 3, 8, 8)
    inside = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    inside[0, :, :3, :5] = inside[1, :, :8, :2] = True
    pixels = torch.cat([images[0, :, :3, :5].flatten(1), images[1, :, :, :2].flatten(1)], 1)
    expected = torch.stack([pixels.mean(1), pixels.square().mean(1)])
    torch.testing.assert_close(image_moments(images, inside), expected)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(), 'either gamma or sigma.*give one of them, gamma=0.95'),
        (dict(gamma=0.9, sigma=0.2), 'either gamma or sigma'),
        (dict(gamma=0), 'between 0'),
        (dict(gamma=1.0), 'between 0'),
        (dict(gamma=(0.5, 1.1)), r'within \[0, 1\]'),
        (dict(gamma=(-0.1, 1)), r'within \[0, 1\]'),
        (dict(gamma=(0.9, 0.2)), 'smaller first'),
        (dict(gamma=(0.9,)), 'two of them'),
        (dict(gamma=(0, 1), form='simple'), 'infinite noise'),
        (dict(sigma=0), 'above 0'),
        (dict(sigma=-1), 'above 0'),
        (dict(sigma=math.inf), 'above 0'),
        (dict(sigma=(-0.1, 1)), 'from 0 on'),
        (dict(gamma=0.9, form='cubic'), "form='cubic'"),
    ],
)
def test_levels_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GaussianCorruption(**options)
