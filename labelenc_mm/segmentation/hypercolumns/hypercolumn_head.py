"""Segmentation from hypercolumns: one head for three papers, and FCN as its close relative.

Mostajabi et al. (CVPR 2018): a linear layer, trained at every pixel. PixelNet (arXiv 1609.06694) and
colorization (Larsson et al., CVPR 2017): an MLP, trained at a few points an image.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from labelenc_mm.networks.hypercolumn import HypercolumnProjection
from labelenc_mm.networks.point_sampling import draw_points, pixel_grid, upsample_by_stride


@MODELS.register_module()
class HypercolumnHead(BaseDecodeHead):
    """Per-pixel classifier on the hypercolumn of all taps of a backbone.

    The hypercolumn is never built at full resolution (:class:`HypercolumnProjection`). Maps are placed
    by their strides, so inputs need not be multiples of anything.

    Args:
        in_channels: Channels of each tap: ``tap_channels`` of the backbone.
        strides: Pixels a cell of each tap: ``tap_strides`` of the backbone.
        num_classes: Classes.
        mlp_channels: Widths of hidden layers with ReLU; none for a linear classifier.
        mlp_dropout: Dropout after each hidden layer.
        hypercolumn_dropout: Dropout on the hypercolumn itself.
        tap_norm_cfg: Normalisation of each tap. ``dict(type='BN', affine=False)`` is the zero mean and
            unit variance that Mostajabi et al. give pretrained features (sec. 4).
        num_points: Training uses this many points an image, drawn among those with a label; None for
            all pixels.
        point_border: Width in pixels of a margin in which no point is drawn.
        test_chunk: Points an image for which an MLP's hidden layers are computed at once in testing;
            None for all.
        test_stride: An MLP is evaluated once for each square of so many pixels in testing, and its
            scores are interpolated.
        in_index: Which outputs of the backbone are the taps; by default all in their order.
        init_cfg: As in mmengine.
        **kwargs: Of mmseg's ``BaseDecodeHead``: losses, ``ignore_index``, ``out_channels`` …

    Raises:
        ValueError: Arguments do not fit each other.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        *,
        num_classes: int,
        mlp_channels: Sequence[int] = (),
        mlp_dropout: float = 0.5,
        hypercolumn_dropout: float = 0.0,
        tap_norm_cfg: dict | None = None,
        num_points: int | None = None,
        point_border: int = 0,
        test_chunk: int | None = 16384,
        test_stride: int = 1,
        in_index: Sequence[int] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        widths = tuple(mlp_channels)
        super().__init__(
            list(in_channels),
            widths[-1] if widths else sum(in_channels),
            num_classes=num_classes,
            in_index=list(range(len(in_channels)) if in_index is None else in_index),
            input_transform='multiple_select',
            dropout_ratio=0,
            init_cfg=init_cfg or dict(type='Normal', layer='Conv2d', std=0.01),
            **kwargs,
        )
        if self.align_corners:
            raise ValueError('hypercolumns are placed by strides: align_corners must be False')
        if test_stride != 1 and not widths:
            raise ValueError(
                f'test_stride={test_stride} saves nothing with a linear classifier: leave it at 1'
            )
        if num_points is not None and (num_points < 1 or self.ignore_index is None):
            raise ValueError(
                f'num_points={num_points} with ignore_index={self.ignore_index}: points are drawn '
                'among those with a label, so give a positive number and an ignore_index'
            )
        self.num_points = num_points
        self.point_border = point_border
        self.test_chunk = test_chunk
        self.test_stride = test_stride
        self.projection = HypercolumnProjection(
            in_channels,
            strides,
            widths[0] if widths else self.out_channels,
            tap_norm_cfg,
            hypercolumn_dropout,
        )
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.ReLU(inplace=True), nn.Dropout(mlp_dropout), nn.Conv2d(before, after, 1)]
        if widths:
            layers += [nn.ReLU(inplace=True), nn.Dropout(mlp_dropout)]
        else:
            del self.conv_seg  # the projection classifies
        self.is_linear = not widths
        self.hidden = nn.Sequential(*layers)

    def forward(self, inputs: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
        """Scores at every pixel.

        Args:
            inputs: Outputs of the backbone.
            size: (H, W) of the images; by default what the finest tap covers.

        Returns:
            (N, out_channels, H, W).
        """
        features = self._transform_inputs(inputs)
        size = size or self._covered_size(features)
        if self.is_linear or self.training:
            return self._classify(self.projection(features, size))
        return self._in_chunks(features, size)

    def forward_points(
        self, inputs: Sequence[Tensor], points: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Scores at (N, P, 2) points (x, y) of images of (H, W) pixels: (N, out_channels, P, 1)."""
        features = self._transform_inputs(inputs)
        return self._classify(self.projection.at_points(features, points, size))

    def loss(
        self, inputs: Sequence[Tensor], batch_data_samples: list[SegDataSample], train_cfg: dict
    ) -> dict[str, Tensor]:
        """The losses of ``loss_decode`` and the accuracy, at all pixels or at drawn points."""
        labels = self._stack_batch_gt(batch_data_samples).squeeze(1)
        size = (labels.shape[-2], labels.shape[-1])
        if self.num_points is None:
            return self.loss_by_feat(self.forward(inputs, size), batch_data_samples)
        points, point_labels = draw_points(
            labels, self.num_points, self.ignore_index, self.point_border
        )
        # Points look like images of P x 1 pixels to everything that follows.
        samples = [
            SegDataSample(gt_sem_seg=PixelData(data=image.view(1, -1, 1))) for image in point_labels
        ]
        return self.loss_by_feat(self.forward_points(inputs, points, size), samples)

    def predict(
        self, inputs: Sequence[Tensor], batch_img_metas: list[dict], test_cfg: dict
    ) -> Tensor:
        """Scores at every pixel of the network's input: (N, out_channels, H, W)."""
        return self.forward(inputs, _input_size(batch_img_metas[0]))

    def _covered_size(self, features: Sequence[Tensor]) -> tuple[int, int]:
        """(H, W) that the finest tap covers."""
        strides = self.projection.strides
        index = strides.index(min(strides))
        height, width = features[index].shape[-2:]
        return height * strides[index], width * strides[index]

    def _classify(self, projected: Tensor) -> Tensor:
        return projected if self.is_linear else self.conv_seg(self.hidden(projected))

    def _in_chunks(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Every tap is projected once; what is wide, the hidden layers, takes some points at a time."""
        projected = self.projection.project(features, size)
        grid = pixel_grid(size, self.test_stride, features[0].device)
        scores = [
            self._classify(
                self.projection.sample(projected, chunk.expand(len(features[0]), -1, -1))
            )
            for chunk in grid.split(self.test_chunk or grid.shape[1], dim=1)
        ]
        height, width = (-(-length // self.test_stride) for length in size)
        dense = torch.cat(scores, dim=2).view(len(features[0]), -1, height, width)
        return upsample_by_stride(dense, self.test_stride, size)


@MODELS.register_module()
class FCNSkipHead(HypercolumnHead):
    """The skip layers of fully convolutional networks (Long et al., CVPR 2015, sec. 4.2).

    Scores of the coarsest tap are upsampled to the next finer one, added to its scores, and so on; the
    sum is upsampled to the image. With ``TappedVGG(taps=('pool3', 'pool4', 'fc7'))`` and strides
    (8, 16, 32) this is FCN-8s on VGG-16; with fewer taps FCN-16s and FCN-32s. A linear
    :class:`HypercolumnHead` differs only in that it interpolates each tap in one step.

    Upsampling is bilinear. Long et al. start from that and train the inner steps; Mostajabi et al., whose
    "FCN-VGG16" this stands for, say no more than the name.

    Args:
        in_channels: As in :class:`HypercolumnHead`.
        strides: Likewise; each a multiple of the next finer one.
        **kwargs: As in :class:`HypercolumnHead`, but for those of an MLP and of points.
    """

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], **kwargs: Any) -> None:
        super().__init__(in_channels, strides, **kwargs)
        steps = list(pairwise(sorted(set(strides))))
        if any(coarse % fine for fine, coarse in steps):
            raise ValueError(
                f'strides={tuple(strides)}: each must be a multiple of the next finer one'
            )
        if not self.is_linear or self.num_points is not None or self.projection.dropout.p > 0:
            raise ValueError(
                'FCNSkipHead is linear and trains at all pixels: leave out mlp_channels, num_points and '
                'hypercolumn_dropout, or use HypercolumnHead'
            )

    def forward(self, inputs: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
        """Scores at every pixel, as :meth:`HypercolumnHead.forward`."""
        features = self._transform_inputs(inputs)
        size = size or self._covered_size(features)
        projected = self.projection.project(features, size)
        stride = max(projected)
        total = projected.pop(stride)
        for finer in sorted(projected, reverse=True):
            scores = projected[finer]
            cells = (scores.shape[-2], scores.shape[-1])
            total = upsample_by_stride(total, stride // finer, cells) + scores
            stride = finer
        return upsample_by_stride(total, stride, size) + self.projection.bias.view(1, -1, 1, 1)


def _input_size(meta: dict) -> tuple[int, int]:
    """(H, W) of the network's input, found as mmseg's heads find it."""
    # Sliding windows leave the size of the window as a torch.Size.
    is_window = isinstance(meta['img_shape'], torch.Size)
    height, width = (meta['img_shape'] if is_window else meta.get('pad_shape', meta['img_shape']))[
        :2
    ]
    return int(height), int(width)
