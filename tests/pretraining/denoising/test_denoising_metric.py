import numpy as np
import pytest
import torch

from labelenc_mm.pretraining.denoising.denoising_metric import DenoisingMetric


def sample(size, mse):
    pictures = {name: dict(data=torch.rand(3, *size) * 255) for name in ('clean', 'noisy')}
    restored = dict(data=pictures['clean']['data'] + 3)
    return dict(pictures, restored=restored, denoising_mse=torch.tensor(mse))


def test_means_over_images_of_any_size():
    samples = [sample((8, 9), 0.5), sample((20, 30), 0.9), sample((5, 5), 0.1)]
    metric = DenoisingMetric()
    metric.process({}, samples[:2])
    metric.process({}, samples[2:])
    found = metric.evaluate(3)
    assert found['denoising/mse'] == pytest.approx(0.5)
    errors = [
        np.subtract(each['clean']['data'].numpy(), each['noisy']['data'].numpy(), dtype=np.float64)
        for each in samples
    ]
    expected = [20 * np.log10(255 / np.sqrt(np.mean(each**2))) for each in errors]
    assert found['denoising/psnr_noisy'] == pytest.approx(np.mean(expected))
    assert found['denoising/psnr_restored'] == pytest.approx(20 * np.log10(255 / 3), rel=1e-5)
