import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

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
    expected = [
        peak_signal_noise_ratio(
            each['clean']['data'].double().numpy(),
            each['noisy']['data'].double().numpy(),
            data_range=255,
        )
        for each in samples
    ]
    assert found['denoising/psnr_noisy'] == pytest.approx(np.mean(expected))
    assert found['denoising/psnr_restored'] == pytest.approx(20 * np.log10(255 / 3), rel=1e-5)
