import numpy as np
import pytest
import torch
from skimage import data
from skimage.transform import resize

from labelenc_mm.pretraining import ColorHistogramLoss, ColorHistogramTargets, ColorRegressionLoss
from labelenc_mm.pretraining.colorization.color_targets import LabTargets

BINS = 6


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 2 * BINS, 5, 1, generator=generator, dtype=torch.float64)
    halves = torch.rand(2, 2, BINS, 5, 1, generator=generator, dtype=torch.float64)
    halves[:, :, 0] = 0  # empty bins have no divergence
    targets = (halves / halves.sum(2, keepdim=True)).flatten(1, 2)
    return scores, targets, torch.rand(2, 2, 5, 1, generator=generator, dtype=torch.float64)


def plain_divergence(scores, shares):
    predicted = np.exp(scores) / np.exp(scores).sum()
    return sum(p * np.log(p / q) for p, q in zip(shares, predicted) if p > 0)


@pytest.mark.parametrize(('hue', 'chroma'), [(5.0, 1.0), (0.0, 2.0)])
def test_loss_is_the_formula_averaged_over_all_points(batch, hue, chroma):
    scores, targets, weight = batch
    total = 0
    for image in range(2):
        for point in range(5):
            s, t, w = (each[image, :, point, 0].numpy() for each in batch)
            total += hue * w[0] * plain_divergence(s[:BINS], t[:BINS])
            total += chroma * w[1] * plain_divergence(s[BINS:], t[BINS:])
    found = ColorHistogramLoss(hue_weight=hue, chroma_weight=chroma)(scores, targets, weight)
    assert float(found) == pytest.approx(total / 10, rel=1e-5)


def test_equal_histograms_have_no_loss(batch):
    _, targets, weight = batch
    logits = targets.clamp(min=1e-30).log() + 3
    assert float(ColorHistogramLoss()(logits, targets, weight)) == pytest.approx(0, abs=1e-6)


def test_without_weight_there_is_neither_loss_nor_gradient(batch):
    """A batch of gray photos has chroma alone to learn from; its hue moves nothing."""
    scores, targets, weight = batch
    scores.requires_grad_()
    weight[:, 0] = 0
    loss = ColorHistogramLoss()(scores, targets, weight)
    loss.backward()
    assert torch.isfinite(loss) and (scores.grad[:, :BINS] == 0).all()
    assert (scores.grad[:, BINS:] != 0).any()


def test_regression_is_the_mean_squared_distance(batch):
    scores, targets, weight = (each[:, :2] for each in batch)
    weight = weight[:, :1]
    squared = ((scores - targets) ** 2).sum(1) * weight[:, 0]
    found = ColorRegressionLoss(loss_weight=7)(scores, targets, weight)
    assert float(found) == pytest.approx(7 * float(squared.mean()), rel=1e-5)


def test_scores_of_half_precision_are_compared_in_full_precision(batch):
    scores, targets, weight = (each.float() for each in batch)
    for loss in (ColorHistogramLoss(), ColorRegressionLoss()):
        width = 2 * BINS if isinstance(loss, ColorHistogramLoss) else 2
        values = [scores[:, :width].bfloat16(), targets[:, :width], weight[:, : width // BINS or 1]]
        assert loss(*values).dtype == torch.float32


def test_both_losses_of_photos_begin_alike_where_nothing_is_predicted_yet():
    photos = [data.coffee(), data.chelsea(), data.astronaut(), data.rocket()]
    rgb = torch.stack([torch.tensor(resize(each, (96, 96))).movedim(-1, 0) for each in photos])
    histograms, colors = ColorHistogramTargets(), LabTargets()
    first = ColorHistogramLoss()(torch.zeros(4, 64, 96, 96), *histograms.everywhere(rgb.float()))
    second = ColorRegressionLoss()(torch.zeros(4, 2, 96, 96), *colors.everywhere(rgb.float()))
    assert float(first) / 2 < float(second) < 2 * float(first)  # few photos, of strong colors
