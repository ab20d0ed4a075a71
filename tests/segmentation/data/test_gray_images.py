import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.structures import SegDataSample

from labelenc_mm.segmentation import GraySegDataPreProcessor
from labelenc_mm.segmentation.data.gray_images import backbone_input

EQUAL = dict(mean=[114.45] * 3, std=[255.0] * 3, bgr_to_rgb=True)
OF_IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def batch(size=(6, 8)):
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    labels = PixelData(data=torch.zeros(1, *size, dtype=torch.long))
    sample = SegDataSample(metainfo=dict(img_shape=size), gt_sem_seg=labels)
    return image, dict(inputs=[image], data_samples=[sample])


@pytest.mark.parametrize('training', [True, False])
def test_images_lose_their_color(training):
    image, data = batch()
    preprocessor = GraySegDataPreProcessor(**EQUAL, size_divisor=1)
    found = preprocessor(data, training)['inputs']
    expected = (image.numpy().astype(float).mean(0) - 114.45) / 255
    assert found.shape == (1, 1, 6, 8)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
def test_three_equal_channels_keep_the_scale_of_each(bgr_to_rgb):
    image, data = batch()
    preprocessor = GraySegDataPreProcessor(3, **OF_IMAGENET, bgr_to_rgb=bgr_to_rgb)
    found = preprocessor(data)['inputs'][0]
    gray = image.numpy().astype(float).mean(0)
    for channel, (mean, std) in enumerate(zip(OF_IMAGENET['mean'], OF_IMAGENET['std'])):
        np.testing.assert_allclose(found[channel], (gray - mean) / std, atol=1e-5)


def test_padding_is_mean_gray_and_labels_are_void_there():
    _, data = batch()
    found = GraySegDataPreProcessor(**EQUAL, size=(8, 8), pad_val=0, seg_pad_val=255)(data, True)
    assert found['inputs'][..., 6:, :].abs().max() < 1e-6
    assert (found['data_samples'][0].gt_sem_seg.data[..., 6:, :] == 255).all()


def test_without_normalisation_they_are_gray_levels():
    image, data = batch()
    found = GraySegDataPreProcessor()(data)['inputs']
    torch.testing.assert_close(found[0, 0], image.float().mean(0))


def test_one_channel_with_three_means_is_refused():
    with pytest.raises(ValueError, match=r'data_preprocessor\.mean=.* differs between color'):
        GraySegDataPreProcessor(**OF_IMAGENET)


@pytest.mark.parametrize('kind', [SegDataPreProcessor, GraySegDataPreProcessor])
def test_a_backbone_of_gray_images_sees_the_same_in_a_pretrainer_and_in_a_segmentor(kind):
    """The preprocessor of the first leaves photos their color."""
    image, _ = batch()
    expected = (image.numpy().astype(float).mean(0) - 114.45) / 255
    found = backbone_input([image, image], kind(**EQUAL, size_divisor=1), 1)
    assert found.shape == (2, 1, 6, 8)
    np.testing.assert_allclose(found[1, 0], expected, atol=1e-6)


def test_a_backbone_of_color_images_sees_what_the_preprocessor_makes():
    image, data = batch()
    preprocessor = SegDataPreProcessor(**OF_IMAGENET, bgr_to_rgb=True, size_divisor=1)
    expected = preprocessor(data)['inputs']
    assert torch.equal(backbone_input([image], preprocessor, 3), expected)
