"""The skip layers of fully convolutional networks (Long et al., CVPR 2015), for the paper's "FCN-VGG16"."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor

from labelenc_mm.networks.point_sampling import upsample_by_stride
from labelenc_mm.segmentation.hypercolumns.tap_head import TapHead


@MODELS.register_module()
class FCNSkipHead(TapHead):
    """Linear scores of taps, added up from coarse to fine (Long et al., sec. 4.2).

    Scores of the coarsest tap are upsampled to the next finer one, added to its scores, and so on; the
    sum is upsampled to the image. With ``TappedVGG(taps=('pool3', 'pool4', 'fc7'))`` and strides
    (8, 16, 32) this is FCN-8s on VGG-16; with fewer taps FCN-16s and FCN-32s. A linear
    :class:`HypercolumnHead` differs only in that it interpolates each tap in one step.

    Upsampling is bilinear. Long et al. start from that and train the inner steps; Mostajabi et al., whose
    "FCN-VGG16" this stands for, say no more than the name.

    Args:
        in_channels: Channels of each tap; filled in by :class:`HypercolumnEncoderDecoder`.
        strides: Pixels a cell of each tap, each a multiple of the next finer one; likewise.
        **kwargs: ``num_classes``, ``tap_norm_cfg``, ``targets``, ``in_index`` and ``init_cfg`` as in
            :class:`HypercolumnHead`, and those of mmseg's ``BaseDecodeHead``.

    Raises:
        ValueError: Arguments do not fit each other.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, strides, **kwargs)
        steps = pairwise(sorted(set(self.projection.strides)))
        if any(coarse % fine for fine, coarse in steps):
            raise ValueError(
                f'strides={self.projection.strides}: each must be a multiple of the next finer one'
            )

    def score_pixels(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Scores at every pixel, from coarse to fine."""
        projected = self.projection.project(features, size)
        stride = max(projected)
        total = projected.pop(stride)
        for finer in sorted(projected, reverse=True):
            scores = projected[finer]
            cells = (scores.shape[-2], scores.shape[-1])
            total = upsample_by_stride(total, stride // finer, cells) + scores
            stride = finer
        return upsample_by_stride(total, stride, size) + self.projection.bias.view(1, -1, 1, 1)
