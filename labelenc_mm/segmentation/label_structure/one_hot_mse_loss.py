"""The mean squared error against one-hot labels (Label structure, CVPR 2018, rows marked with a dagger).

The paper does not give its form. Here: squared differences between the probabilities and the one-hot
label, summed over the classes and averaged over the labelled pixels, in [0, 2] per pixel.
"""

from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.labels import VOID, one_hot_label_maps


@MODELS.register_module()
class OneHotMSELoss(nn.Module):
    """Squared error between predicted and one-hot labels, for the ``loss_decode`` of any head.

    Args:
        loss_weight: Factor of the loss; the paper's are in Figure 5, which is lost to us.
        loss_name: Name in the log; it must begin with ``loss_`` for the loss to count.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_mse') -> None:
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
            pred: (N, K, H, W) logits; a decoder that was trained with cross entropy gives them.
            label: (N, H, W) integers in [0, K) or ``ignore_index``.
            weight: (N, H, W) weight of each pixel.
            ignore_index: Label of void pixels.
            kwargs: Ignored; mmseg's heads pass what its own losses take.

        Returns:
            A scalar, 0 if all pixels are void.
        """
        pred = pred.float().softmax(1)
        error = (pred - one_hot_label_maps(label, pred.shape[1], ignore_index)).square().sum(1)
        is_valid = label != ignore_index
        error = error * is_valid
        if weight is not None:
            error = error * weight
        return self.loss_weight * error.sum() / is_valid.sum().clamp(min=1)
