"""Sheets of corrupted photos: pixels by the formulas, figures beside them, rows and columns."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from photo_files import picture

pytest.importorskip('mmseg')

from denoising_models import build_pretrainer
from mmseg.models import SegDataPreProcessor

from labelenc_mm.analysis.corruption_sheet import draw_sheet, make_sheet
from labelenc_mm.pretraining import GaussianCorruption

MEAN, STD = np.array([120.0, 110.0, 100.0]), np.array([60.0, 50.0, 40.0])


@pytest.fixture(params=[True, False], ids=['RGB', 'BGR'])
def preprocessor(request):
    init_default_scope('mmseg')
    made = SegDataPreProcessor(mean=MEAN.tolist(), std=STD.tolist(), bgr_to_rgb=request.param)
    made.is_rgb = request.param
    return made


def test_pixels_and_figures_are_those_of_the_formulas(preprocessor):
    rgb = picture((20, 28)).astype(float)
    sheet = make_sheet(picture((20, 28))[..., ::-1], preprocessor, [0.9, 0.5], ['scaled', 'simple'])
    network = rgb if preprocessor.is_rgb else rgb[..., ::-1]
    normal = (network - MEAN) / STD
    noise = torch.randn(1, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    noise = noise[0].permute(1, 2, 0).double().numpy()
    np.testing.assert_array_equal(sheet.clean, rgb)
    np.testing.assert_allclose(sheet.variance, normal.var((0, 1)), rtol=1e-4)
    seen = [(panel.form, panel.gamma) for panel in sheet.panels]
    assert seen == [('scaled', 0.9), ('scaled', 0.5), ('simple', 0.9), ('simple', 0.5)]
    for panel in sheet.panels:
        sigma = np.sqrt(1 / panel.gamma - 1)
        wanted = normal + sigma * noise
        if panel.form == 'scaled':
            wanted *= np.sqrt(panel.gamma)
        wanted = wanted * STD + MEAN
        wanted = wanted if preprocessor.is_rgb else wanted[..., ::-1]
        assert abs(panel.noisy - wanted.clip(0, 255)).max() <= 0.51  # rounded
        np.testing.assert_allclose(panel.noise, sigma * STD, rtol=1e-5)
        assert panel.restored is None


@pytest.mark.parametrize('measured', [True, False])
def test_noise_scaled_to_the_data_is_drawn_so(preprocessor, measured):
    """To those of the training; before its first batch, to the photo."""
    corruption = GaussianCorruption(gamma=0.95, unit_variance=True)
    photo = picture((20, 28))[..., ::-1]
    std = make_sheet(photo, preprocessor, [0.9], ['scaled']).variance ** np.array(0.5)
    if measured:
        std = np.array([0.5, 0.3, 0.2])
        corruption.data_std.copy_(torch.from_numpy(std))
    sheet = make_sheet(photo, preprocessor, [0.9, 0.5], ['scaled', 'simple'], corruption=corruption)
    for panel in sheet.panels:
        sigma = np.sqrt(1 / panel.gamma - 1)
        np.testing.assert_allclose(panel.noise, sigma * std * STD, rtol=1e-4)
    clipped = np.abs(sheet.panels[2].noisy.astype(float) - sheet.clean)
    order = 1 if preprocessor.is_rgb else -1
    assert (clipped.max((0, 1)) < 6 * (std * STD / 3)[::order] + 1).all()
    assert (corruption.gamma, corruption.form) == (0.95, 'scaled')


@pytest.mark.parametrize('target', ['noise', 'image'])
def test_a_model_that_predicts_zero_restores_what_zero_means(preprocessor, target):
    model = build_pretrainer('UNet', target=target).eval()
    torch.nn.init.zeros_(model.pixel_prediction.conv.weight)
    torch.nn.init.zeros_(model.pixel_prediction.conv.bias)
    photo = picture((32, 32))[..., ::-1]
    (panel,) = make_sheet(photo, preprocessor, [0.9], ['simple'], model=model).panels
    mean = MEAN if preprocessor.is_rgb else MEAN[::-1]
    wanted = panel.noisy if target == 'noise' else np.broadcast_to(mean, (32, 32, 3))
    np.testing.assert_array_equal(panel.restored, wanted)


def test_a_row_for_each_form_and_one_below_for_what_is_restored(preprocessor):
    sheet = make_sheet(picture((16, 16)), preprocessor, [0.9, 0.5], ['scaled', 'simple'])
    assert len(draw_sheet(sheet).axes) == 2 * 3
    with_restored = [panel._replace(restored=panel.noisy) for panel in sheet.panels]
    figure = draw_sheet(sheet._replace(panels=with_restored))
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == [
        'scaled',
        'scaled, restored',
        'simple',
        'simple, restored',
    ]
    assert figure.axes[2].get_title() == 'gamma 0.5, sigma 1'
