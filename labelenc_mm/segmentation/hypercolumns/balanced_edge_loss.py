"""The class-balanced cross entropy of edge detection (HED, ICCV 2015, eq. 2; PixelNet, sec. 5.3)."""

from typing import Any

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.labels import VOID


@MODELS.register_module()
class BalancedEdgeLoss(nn.Module):
    """Sigmoid cross entropy whose positives and negatives weigh as much, for ``loss_decode`` of one logit.

    With the share β of negatives among the labelled pixels of the batch (of PixelNet the drawn points), a
    positive weighs β and a negative 1 - β. HED adds up over the pixels of an image; here it is the mean, so
    that the learning rate does not depend on their number. Each process has the β of its own images.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Name in the log; it must begin with ``loss_`` for the loss to count.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_edge') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self._loss_name = loss_name

    @property
    def loss_name(self) -> str:
        """Name in the log."""
        return self._loss_name

    def forward(
        self,
        pred: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = VOID,
        **kwargs: Any,
    ) -> Tensor:
        """Compare.

        Args:
            pred: (N, 1, H, W) logits; points are images of (P, 1) pixels.
            label: (N, H, W) 1 for an edge, 0 for none, or ``ignore_index``.
            weight: (N, H, W) weight of each pixel.
            ignore_index: Label of void pixels.
            kwargs: Ignored; mmseg's heads pass what its own losses take.

        Returns:
            A scalar, 0 without positives, without negatives and without either: β is then 1 or 0, and what
            there is weighs nothing.

        Raises:
            ValueError: There are more scores a pixel than one.
        """
        if pred.shape[1] != 1:
            raise ValueError(
                f'BalancedEdgeLoss got {pred.shape[1]} scores a pixel, but an edge has one logit: set '
                'out_channels=1 and num_classes=2 of the head'
            )
        is_known = label != ignore_index
        is_edge = is_known & (label != 0)
        number = is_known.sum().clamp(min=1)
        share = is_edge.sum() / number
        balance = (is_edge * (1 - share) + (is_known & ~is_edge) * share).float()
        if weight is not None:
            balance = balance * weight
        scores = pred.squeeze(1).float()
        loss = F.binary_cross_entropy_with_logits(
            scores, is_edge.float(), weight=balance, reduction='sum'
        )
        return self.loss_weight * loss / number
