import colorsys
import math

import numpy as np
import pytest
import torch
from devices import DEVICES
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from skimage.color import rgb2lab

from labelenc_mm.networks.point_drawing import DrawnPoints, draw_uniform
from labelenc_mm.pretraining import ColorHistogramTargets, LabTargets

BINS, SIZE = 8, (9, 11)


@pytest.fixture
def photos():
    """(2, 3, H, W) colors of 8 bits; a part of the second photo is gray, and below it there is padding."""
    levels = torch.randint(0, 256, (2, 3, *SIZE), generator=torch.Generator().manual_seed(1))
    maps = levels / 255
    maps[1, :, :4] = maps[1, :1, :4]
    maps[1, :, 7:] = -1 / 255
    return maps


def plain_histograms(photo, y, x, window):
    """Of hue and chroma, pixel by pixel, with the standard library."""
    counts = np.zeros((2, BINS))
    half = window // 2
    for row in range(max(y - half, 0), min(y + half + 1, SIZE[0])):
        for column in range(max(x - half, 0), min(x + half + 1, SIZE[1])):
            red, green, blue = photo[:, row, column].tolist()
            if red < 0:
                continue
            hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
            counts[0, min(int(hue * BINS), BINS - 1)] += 1
            counts[1, min(int(saturation * value * BINS), BINS - 1)] += 1
    return (counts / counts.sum(1, keepdims=True)).flatten()


def plain_weights(color):
    chroma, gray = max(color) - min(color), sum(color) / 3
    return [chroma, min(1, 3 * gray, 3 * (1 - gray))]


def every_pixel(number=2):
    cells = torch.arange(SIZE[0] * SIZE[1]).expand(number, -1)
    return DrawnPoints(cells, torch.ones_like(cells, dtype=torch.bool))


@pytest.mark.parametrize('window', [1, 3, 7])
def test_histograms_are_those_of_windows_counted_one_by_one(photos, window):
    targets = ColorHistogramTargets(bins=BINS, window=window)
    values, weight = targets.everywhere(photos)
    for image, photo in enumerate(photos):
        for y in range(SIZE[0]):
            for x in range(SIZE[1]):
                if photo[0, y, x] < 0:
                    assert weight[image, :, y, x].tolist() == [0, 0]
                    continue
                expected = plain_histograms(photo, y, x, window)
                np.testing.assert_allclose(values[image, :, y, x], expected, atol=1e-6)
                expected = plain_weights(photo[:, y, x].tolist())
                np.testing.assert_allclose(weight[image, :, y, x], expected, atol=1e-6)


@pytest.mark.parametrize('targets', [ColorHistogramTargets(bins=BINS), LabTargets()])
def test_at_points_is_what_is_everywhere(photos, targets):
    values, weight = targets.everywhere(photos)
    points = draw_uniform(targets.is_known(photos), 70)
    found = targets.at_points(photos, points)
    for maps, at_points in zip((values, weight), found):
        picked = maps.flatten(2).gather(2, points.cells[:, None].expand(-1, maps.shape[1], -1))
        known = points.is_drawn[:, None].expand_as(picked)
        torch.testing.assert_close(at_points.squeeze(-1)[known], picked[known])
    assert (
        found.weight.squeeze(-1)[~points.is_drawn[:, None].expand_as(found.weight[..., 0])] == 0
    ).all()


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('targets', [ColorHistogramTargets(bins=BINS), LabTargets()])
def test_mixed_precision_changes_no_bit_of_targets_and_colors(photos, targets, device):
    maps = photos.to(device)
    points = draw_uniform(targets.is_known(maps), 70)
    scores = torch.randn(2, targets.num_outputs, *SIZE, device=device)

    def compute():
        at_points, everywhere = targets.at_points(maps, points), targets.everywhere(maps)
        values, weight = at_points
        sums = targets.sums(scores[0, :, :7, :10].reshape(-1, 70, 1), values[0], weight[0])
        return [*at_points, *everywhere, targets.colors(scores, maps.mean(1)), *sums.values()]

    expected = compute()
    with torch.autocast(device, torch.bfloat16):
        found = compute()
    assert all(torch.equal(*pair) for pair in zip(found, expected))
    assert [each.dtype for each in found] == [each.dtype for each in expected]


def test_points_that_were_not_drawn_count_nothing_and_have_a_distribution(photos):
    nowhere = torch.full_like(photos, -1 / 255)
    points = draw_uniform(ColorHistogramTargets().is_known(nowhere), 5)
    values, weight = ColorHistogramTargets().at_points(nowhere, points)
    assert weight.abs().sum() == 0
    torch.testing.assert_close(values, torch.full_like(values, 1 / 32))


def test_gray_pixels_have_no_chroma_and_their_hue_no_weight(photos):
    values, weight = ColorHistogramTargets(bins=BINS, window=1).everywhere(photos)
    gray = values[1, :, :4], weight[1, :, :4]
    assert (gray[0][[0, BINS]] == 1).all()
    assert (gray[1][0] == 0).all() and (gray[1][1] > 0).any()


def test_weights_can_be_left_out(photos):
    targets = ColorHistogramTargets(weigh_hue_by_chroma=False, weigh_chroma_by_gray=False)
    _, weight = targets.everywhere(photos)
    assert torch.equal(weight, targets.is_known(photos)[:, None].expand_as(weight).float())


def test_lab_values_are_those_of_scikit_image_in_units_of_110(photos):
    values, weight = LabTargets().everywhere(photos)
    lab = rgb2lab(photos[0].permute(1, 2, 0).double().numpy())
    np.testing.assert_allclose(values[0].permute(1, 2, 0) * 110, lab[..., 1:], atol=0.02)
    assert weight[1, 0, :7].min() == 1 and weight[1, 0, 7:].max() == 0


def test_a_photo_of_one_pixel_has_its_own_histogram():
    targets = ColorHistogramTargets()
    photo = torch.tensor([200, 40, 90]).view(1, 3, 1, 1) / 255
    points = draw_uniform(targets.is_known(photo), 128)
    values, _ = targets.at_points(photo, points)
    hue, saturation, value = colorsys.rgb_to_hsv(200, 40, 90)
    assert values.shape == (1, 64, 1, 1)
    found = values.flatten().nonzero().flatten().tolist()
    assert found == [int(hue * 32), 32 + int(saturation * value / 255 * 32)]


def test_expected_color_of_a_certain_prediction_is_its_bin():
    targets = ColorHistogramTargets(bins=16)
    scores = torch.full((1, 32, 1), -100.0)
    scores[0, [5, 16 + 6]] = 100
    (color,) = targets.colors(scores, torch.tensor([[0.5]]))[..., 0].tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(*color)
    assert hue == pytest.approx(5.5 / 16, abs=1e-5)
    assert saturation * value == pytest.approx(6.5 / 16, abs=1e-5)
    assert sum(color) / 3 == pytest.approx(0.5, abs=1e-6)


def test_where_the_hue_is_open_the_color_fades():
    """The mean of two vectors of equal length at a right angle."""
    targets = ColorHistogramTargets(bins=16)
    scores = torch.full((1, 32, 1), -100.0)
    scores[0, [2, 6, 16 + 6]] = 100
    (color,) = targets.colors(scores, torch.tensor([[0.5]]))[..., 0].tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(*color)
    assert hue == pytest.approx(4.5 / 16, abs=1e-5)
    assert saturation * value == pytest.approx(6.5 / 16 * math.sqrt(0.5), abs=1e-5)
    uniform = targets.colors(torch.zeros(1, 32, 1), torch.tensor([[0.3]]))
    torch.testing.assert_close(uniform, torch.full_like(uniform, 0.3))


def test_true_lab_values_make_the_true_color_up_to_its_brightness(photos):
    photo = photos[:1] * 0.3 + 0.3  # colors that exist at other brightness, too
    found = LabTargets().colors(LabTargets().everywhere(photo).values, photo.mean(1))
    torch.testing.assert_close(found.mean(1), photo.mean(1))
    assert (found - photo).abs().mean() < 0.02
    gray = photo.mean(1, keepdim=True).expand_as(photo)
    assert (gray - photo).abs().mean() > 0.05


def test_photos_are_read_from_gray_levels():
    photo = torch.full((3, 2, 2), 51.0)
    photo[:, 1] = -1
    sample = SegDataSample(photo=PixelData(data=photo))
    maps = ColorHistogramTargets().read([sample])
    assert maps[0, 0, 0, 0] == pytest.approx(0.2)
    assert ColorHistogramTargets().is_known(maps).tolist() == [[[True, True], [False, False]]]


@pytest.mark.parametrize('options', [dict(bins=1), dict(window=4), dict(window=0)])
def test_numbers_that_are_refused(options):
    with pytest.raises(ValueError, match='must be at least 2 and window'):
        ColorHistogramTargets(**options)
