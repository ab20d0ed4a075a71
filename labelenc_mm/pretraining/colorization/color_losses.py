"""Losses of colorization (Larsson et al., CVPR 2017, sec. 3.1), which a hypercolumn head calls."""

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ColorHistogramLoss(nn.Module):
    """Kullback-Leibler divergence of the predicted from the true histograms of hue and chroma.

    The mean over all points of ``hue_weight`` C KL(hue) + ``chroma_weight`` w KL(chroma), where C and w are
    the weights of :class:`ColorHistogramTargets`. It is divided by the number of points, not by the weights.

    Args:
        hue_weight: Of the hue; 5 in the released code.
        chroma_weight: Of the chroma.
        loss_name: In the log.
    """

    def __init__(
        self, hue_weight: float = 5.0, chroma_weight: float = 1.0, loss_name: str = 'loss_color'
    ) -> None:
        super().__init__()
        self.hue_weight = hue_weight
        self.chroma_weight = chroma_weight
        self.loss_name = loss_name

    def forward(
        self, scores: Tensor, targets: Tensor, weight: Tensor, ignore_index: int | None = None
    ) -> Tensor:
        """The loss of a batch.

        Args:
            scores: (N, 2 B, …) logits of hue, then of chroma.
            targets: (N, 2 B, …) histograms.
            weight: (N, 2, …) of hue and chroma.
            ignore_index: Has no meaning here.
        """
        hue, chroma = (divergences(scores, targets) * weight.float()).unbind(1)
        return (self.hue_weight * hue + self.chroma_weight * chroma).mean()


@MODELS.register_module()
class ColorRegressionLoss(nn.Module):
    """Mean squared distance of a* and b*, scaled to begin as large as :class:`ColorHistogramLoss`.

    Args:
        loss_weight: The scale. The paper says no more than that the losses are "scaled similarly" (sec. 3.1);
            both begin alike, where a network predicts nothing yet, with 111 +- 3 for 193 photos whose
            shorter side has 352 pixels, with 101 +- 2 for the same at 96 pixels, and with 90 +- 3 for 772
            others at 96 pixels, measured at random points.
        loss_name: In the log.
    """

    def __init__(self, loss_weight: float = 110.0, loss_name: str = 'loss_color') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, scores: Tensor, targets: Tensor, weight: Tensor, ignore_index: int | None = None
    ) -> Tensor:
        """The loss of a batch; arguments as above, with 2 values and one weight."""
        distances = (scores.float() - targets).square().sum(1, keepdim=True)
        return self.loss_weight * (distances * weight).mean()


def divergences(scores: Tensor, targets: Tensor) -> Tensor:
    """(N, 2, …) KL(target || softmax of scores) of two histograms, in nats.

    Args:
        scores: (N, 2 B, …).
        targets: (N, 2 B, …).
    """
    bins = scores.shape[1] // 2
    log_shares = scores.float().unflatten(1, (2, bins)).log_softmax(2)
    shares = targets.float().unflatten(1, (2, bins))
    return F.kl_div(log_shares, shares, reduction='none').sum(2)
