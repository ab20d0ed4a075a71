"""Depth from hypercolumns (PixelNet, arXiv 1609.06694, footnote 6), for mmseg's ``DepthEstimator``."""

from typing import Any

from mmseg.models.losses import SiLogLoss
from mmseg.registry import MODELS
from torch import Tensor

from labelenc_mm.segmentation.hypercolumns.hypercolumn_head import HypercolumnHead


@MODELS.register_module()
class HypercolumnDepthHead(HypercolumnHead):
    """One number a pixel, a depth between 0 and the largest one.

    The paper leaves the form open; the sigmoid is that of mmseg's ``VPDDepthHead``. The target is
    ``gt_depth_map``, zero where there is none: pad with ``seg_pad_val=0``.

    Args:
        max_depth: Largest depth, in the unit of the data.
        kwargs: Of :class:`HypercolumnHead`.

    Raises:
        ValueError: The arguments ask for more outputs than one.
    """

    def __init__(self, max_depth: float = 10.0, **kwargs: Any) -> None:
        kwargs.setdefault('targets', dict(type='VectorMapTargets', field='gt_depth_map'))
        kwargs.setdefault('num_classes', 1)
        kwargs.setdefault('out_channels', 1)
        kwargs.setdefault('threshold', 0.0)  # of classes, about which mmseg would warn
        super().__init__(**kwargs)
        if self.out_channels != 1:
            raise ValueError(
                f'{type(self).__name__} has {self.out_channels} outputs, and a depth is one number: leave '
                'num_classes and out_channels out'
            )
        self.max_depth = max_depth

    def _classify(self, projected: Tensor) -> Tensor:
        return super()._classify(projected).sigmoid() * self.max_depth


@MODELS.register_module()
class HypercolumnSiLogLoss(SiLogLoss):
    """mmseg's ``SiLogLoss`` at drawn points.

    mmseg's takes no ``ignore_index``, and weighs whole images where hypercolumn heads weigh points.
    """

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
    ) -> Tensor:
        """Compare (N, 1, H, W) depths.

        Args:
            pred: Predicted depths.
            target: True ones, 0 where there is none.
            weight: (N, H, W), 0 where there is none either.
            ignore_index: Of no meaning here.
        """
        return super().forward(pred, target if weight is None else target * weight.unsqueeze(1))
