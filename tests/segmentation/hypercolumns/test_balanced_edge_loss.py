"""HED's balanced loss: its formula, pixels that do not count, and batches that lack a kind."""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import labelenc_mm  # noqa: F401


def build(**options):
    init_default_scope('mmseg')
    return MODELS.build(dict(type='BalancedEdgeLoss') | options)


def plain(scores, labels):
    """HED, eq. 2, point by point, as a mean."""
    negatives, positives = (labels == 0).sum().item(), (labels == 1).sum().item()
    beta = negatives / (negatives + positives)
    total = 0.0
    for score, label in zip(scores.double().flatten(), labels.flatten()):
        if label == 1:
            total -= beta * torch.sigmoid(score).log()
        elif label == 0:
            total -= (1 - beta) * torch.sigmoid(-score).log()
    return (total / (negatives + positives)).float()


@pytest.mark.parametrize('size', [(40, 1), (6, 7)])  # points, and all pixels
def test_loss_and_gradient_are_the_papers_formula(size):
    torch.manual_seed(0)
    scores = torch.randn(3, 1, *size, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 1, 255])[torch.randint(5, (3, *size))]
    found, expected = build()(scores, labels, ignore_index=255), plain(scores, labels)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, scores)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert (gradients[0][(labels == 255).unsqueeze(1)] == 0).all()


def test_both_kinds_weigh_as_much():
    labels = torch.zeros(1, 100, 1, dtype=torch.int64)
    labels[:, :10] = 1
    scores = torch.zeros(1, 1, 100, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(build()(scores, labels), scores)
    torch.testing.assert_close(gradient[labels.unsqueeze(1) == 1].sum(), -gradient[labels.unsqueeze(1) == 0].sum())


@pytest.mark.parametrize('label', [0, 1, 255])
def test_a_batch_of_one_kind_has_zero_loss_and_zero_gradients(label):
    scores = (10 * torch.randn(2, 1, 9, 1)).requires_grad_()
    loss = build()(scores, torch.full((2, 9, 1), label), ignore_index=255)
    loss.backward()
    assert loss == 0 and (scores.grad == 0).all()


def test_factor_weight_and_name():
    scores, labels = torch.randn(1, 1, 8, 1), torch.tensor([0, 1] * 4).view(1, 8, 1)
    whole = build()(scores, labels)
    assert torch.equal(build(loss_weight=2.0)(scores, labels), 2 * whole)
    weight = torch.tensor([1.0] * 4 + [0.0] * 4).view(1, 8, 1)
    torch.testing.assert_close(
        build()(scores, labels, weight=weight), build()(scores[:, :, :4], labels[:, :4]) / 2
    )
    assert build(loss_name='loss_side').loss_name == 'loss_side'


def test_more_scores_than_one_are_refused():
    with pytest.raises(ValueError, match='2 scores a pixel.*out_channels=1'):
        build()(torch.zeros(1, 2, 4, 1), torch.zeros(1, 4, 1))
