"""Prediction from hypercolumns: one head for three papers.

Mostajabi et al. (CVPR 2018): a linear layer, trained at every pixel. PixelNet (arXiv 1609.06694) and
colorization (Larsson et al., CVPR 2017): an MLP, trained at a few points an image.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmseg.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from labelenc_mm.engine.built_models import builds_a
from labelenc_mm.networks.point_sampling import pixel_grid, upsample_by_stride
from labelenc_mm.segmentation.hypercolumns.pixel_targets import LABEL_MAPS, Targets
from labelenc_mm.segmentation.hypercolumns.point_samplers import PointSampler
from labelenc_mm.segmentation.hypercolumns.tap_head import TapHead


@MODELS.register_module()
class HypercolumnHead(TapHead):
    """Per-pixel predictor on the hypercolumn of all taps of a backbone.

    The hypercolumn is never built at full resolution (:class:`HypercolumnProjection`). Maps are placed
    by their strides, so inputs need not be multiples of anything.

    Args:
        in_channels: Channels of each tap: ``tap_channels`` of the backbone. Filled in by
            :class:`HypercolumnEncoderDecoder`.
        strides: Pixels a cell of each tap: ``tap_strides`` of the backbone; likewise.
        num_classes: Classes.
        mlp_channels: Widths of hidden layers with ReLU; none for a linear classifier.
        mlp_dropout: Dropout after each hidden layer.
        hypercolumn_dropout: Dropout on the hypercolumn itself.
        tap_norm_cfg: Normalisation of each tap. ``dict(type='BN', affine=False)`` is the zero mean and
            unit variance that Mostajabi et al. give pretrained features (sec. 4).
        targets: What is learned, a :class:`PixelTargets`: by default the label maps.
        sampler: At which pixels, a :class:`PointSampler`: ``UniformPointSampler`` or
            ``BalancedPointSampler``; None for all. One of mmseg's (``OHEMPixelSampler``) weighs all
            pixels, or the points of ``num_points``.
        num_points: Short for ``sampler=dict(type='UniformPointSampler', num_points=...)``.
        point_border: Its ``border``; refused without ``num_points``.
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
        in_channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        *,
        num_classes: int,
        mlp_channels: Sequence[int] = (),
        mlp_dropout: float = 0.5,
        hypercolumn_dropout: float = 0.0,
        tap_norm_cfg: dict | None = None,
        targets: dict = LABEL_MAPS,
        sampler: dict | None = None,
        num_points: int | None = None,
        point_border: int = 0,
        test_chunk: int | None = 16384,
        test_stride: int = 1,
        in_index: Sequence[int] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        widths = tuple(mlp_channels)
        point_sampler = None
        if sampler is not None and builds_a(PointSampler, sampler, TASK_UTILS):
            point_sampler, sampler = sampler, None
        if num_points is not None:
            if point_sampler is not None:
                raise ValueError(
                    f'num_points={num_points} is short for a UniformPointSampler, and sampler='
                    f'{point_sampler}: drop one, or set num_points in sampler'
                )
            point_sampler = dict(
                type='UniformPointSampler', num_points=num_points, border=point_border
            )
        elif point_border:
            raise ValueError(
                f'point_border={point_border} is of the points of num_points, which is None: '
                + ('set border in sampler' if point_sampler else 'give num_points, or drop it')
            )
        super().__init__(
            in_channels,
            strides,
            num_classes=num_classes,
            widths=widths,
            hypercolumn_dropout=hypercolumn_dropout,
            tap_norm_cfg=tap_norm_cfg,
            targets=targets,
            sampler=sampler,
            in_index=in_index,
            init_cfg=init_cfg,
            **kwargs,
        )
        if test_stride != 1 and not widths:
            raise ValueError(
                f'test_stride={test_stride} saves nothing with a linear classifier: leave it at 1'
            )
        self.test_chunk = test_chunk
        self.test_stride = test_stride
        self.point_sampler = self._build_sampler(point_sampler)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.ReLU(inplace=True), nn.Dropout(mlp_dropout), nn.Conv2d(before, after, 1)]
        if widths:
            layers += [nn.ReLU(inplace=True), nn.Dropout(mlp_dropout)]
        self.is_linear = not widths
        self.hidden = nn.Sequential(*layers)

    def score_targets(
        self, inputs: Sequence[Tensor], maps: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> tuple[Tensor, Targets]:
        """Scores of a training pass and what they are compared with, at all pixels or at points."""
        if self.point_sampler is None:
            return super().score_targets(inputs, maps, sizes)
        points = self.point_sampler.draw(self.targets, maps, sizes)
        size = (maps.shape[-2], maps.shape[-1])
        scores = self.forward_points(inputs, points.coordinates(size[1]), size)
        return scores, self.targets.at_points(maps, points)

    def score_pixels(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Scores at every pixel; an MLP tests chunk by chunk."""
        if self.is_linear or self.training:
            return self._classify(self.projection(features, size))
        return self._in_chunks(features, size)

    def forward_points(
        self, inputs: Sequence[Tensor], points: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Scores at (N, P, 2) points (x, y) of images of (H, W) pixels: (N, out_channels, P, 1)."""
        features = self._transform_inputs(inputs)
        return self._classify(self.projection.at_points(features, points, size))

    def _build_sampler(self, config: dict | None) -> PointSampler | None:
        if config is None:
            return None
        sampler = TASK_UTILS.build(config)
        if self.ignore_index is None:
            raise ValueError(
                f'{type(sampler).__name__} with ignore_index=None: points are drawn among those with a '
                'label, so give an ignore_index'
            )
        if sampler.needs_positives and not self.targets.has_positives:
            raise ValueError(
                f'{type(sampler).__name__} draws positive pixels, and {type(self.targets).__name__} knows '
                'none: use a UniformPointSampler'
            )
        return sampler

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
