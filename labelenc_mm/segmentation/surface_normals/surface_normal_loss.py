"""Euclidean distance of unit vectors (PixelNet, sec. 5.2; Bansal et al., CVPR 2016)."""

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

# A vector shorter than this is not made longer, so that its gradient stays finite.
_SHORTEST = 1e-4


@MODELS.register_module()
class SurfaceNormalLoss(nn.Module):
    """Half the mean squared distance of predicted directions to the normals: 1 minus the cosine.

    Predictions are made unit vectors first. Pixels of weight 0 do not count; without any other the loss is
    zero, and every parameter has its gradient.

    Args:
        loss_weight: Factor.
        loss_name: In the log; must begin with 'loss'.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_normal') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
    ) -> Tensor:
        """Compare (N, 3, H, W) vectors of any length with unit vectors.

        Args:
            pred: What the head gives.
            target: Normals.
            weight: (N, H, W), 0 where there is no normal; None for 1 everywhere.
            ignore_index: Of no meaning here; hypercolumn heads hand it to every loss.
        """
        distance = (F.normalize(pred.float(), dim=1, eps=_SHORTEST) - target).square().sum(1)
        weight = torch.ones_like(distance) if weight is None else weight
        mean = (distance * weight).sum() / weight.sum().clamp(min=1)
        return self.loss_weight * mean / 2
