import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.networks.input_filters import gray_to_rgb, rgb_to_gray


def test_filters_for_color_answer_to_the_mean_of_the_channels():
    weight, image = torch.randn(4, 1, 3, 3), torch.randn(2, 3, 8, 8)
    expected = F.conv2d(image.mean(1, keepdim=True), weight)
    torch.testing.assert_close(F.conv2d(image, gray_to_rgb(weight)), expected, rtol=1e-4, atol=1e-5)


def test_filters_for_gray_answer_to_three_equal_channels():
    weight, gray = torch.randn(4, 3, 3, 3), torch.randn(2, 1, 8, 8)
    expected = F.conv2d(gray.expand(-1, 3, -1, -1), weight)
    torch.testing.assert_close(F.conv2d(gray, rgb_to_gray(weight)), expected, rtol=1e-4, atol=1e-5)
    again = rgb_to_gray(gray_to_rgb(weight[:, :1]))
    torch.testing.assert_close(again, weight[:, :1])


@pytest.mark.parametrize('convert', [gray_to_rgb, rgb_to_gray])
def test_filters_of_other_images_are_refused(convert):
    with pytest.raises(ValueError, match=r'found \(4, 2, 3, 3\)'):
        convert(torch.zeros(4, 2, 3, 3))
