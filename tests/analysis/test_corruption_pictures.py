import math

import pytest
import torch
from denoising_models import build_pretrainer
from photo_files import picture

from labelenc_mm.analysis.corruption_pictures import (
    corrupt_photo,
    draw_sheet,
    normalised_variance,
    restore_photo,
)

MEAN, STD = torch.tensor([120.0, 110.0, 100.0]), torch.tensor([60.0, 50.0, 40.0])
FORMS = ('scaled', 'simple')


@pytest.fixture
def photo():
    return torch.from_numpy(picture((64, 96)).copy()).permute(2, 0, 1).float()


def test_pixels_are_those_of_the_formulas(photo):
    found = corrupt_photo(photo, [0.9, 0.5], FORMS, MEAN, STD, seed=3)
    noise = torch.randn((1, 3, 64, 96), generator=torch.Generator().manual_seed(3))[0]
    assert [(each.form, each.gamma) for each in found] == [
        (form, gamma) for form in FORMS for gamma in (0.9, 0.5)
    ]
    for each in found:
        sigma = math.sqrt((1 - each.gamma) / each.gamma)
        mean, std = MEAN.view(3, 1, 1), STD.view(3, 1, 1)
        expected = photo + sigma * std * noise
        if each.form == 'scaled':  # toward the mean, as the ratio stays
            expected = mean + each.gamma**0.5 * (expected - mean)
        torch.testing.assert_close(each.noisy, expected, atol=1e-3, rtol=1e-4)
        assert each.sigma == pytest.approx(sigma)
        assert each.gray_levels == pytest.approx((sigma * STD).tolist(), rel=1e-4)


def test_variance_is_that_of_the_normalised_photo(photo):
    expected = ((photo - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)).var((1, 2), correction=0)
    assert normalised_variance(photo, MEAN, STD) == pytest.approx(expected.tolist(), rel=1e-3)


def test_a_model_restores_at_each_level_and_keeps_its_own(photo):
    model = build_pretrainer('UPerNet').eval()
    trained = model.corruption
    found = restore_photo(model, photo, [0.9, 0.5], FORMS)
    assert model.corruption is trained
    assert len(found) == 4
    # The noise is what the photo was changed by, of the level asked for.
    preprocessor = model.data_preprocessor
    std, mean = preprocessor.std, preprocessor.mean
    for each in found:
        scale = each.gamma**0.5 if each.form == 'scaled' else 1
        noise = ((each.noisy - mean) / scale - (photo - mean)) / std
        assert noise.std().item() == pytest.approx(each.sigma, rel=0.05)
        assert each.restored.shape == photo.shape


def test_the_sheet_has_a_row_a_form_and_a_column_a_level(photo):
    found = corrupt_photo(photo, [0.9, 0.5, 0.2], FORMS, MEAN, STD)
    panels = draw_sheet(photo, found).axes
    assert len(panels) == 2 * 4
    titles = [panel.get_title() for panel in panels]
    assert titles[0] == 'scaled'
    assert titles[4:6] == ['simple', 'gamma 0.9, sigma 0.333']
    shown = panels[1].images[0].get_array()
    assert shown.max() <= 255
    expected = found[0].noisy.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(torch.from_numpy(shown.data.copy()), expected)
