"""A linear layer on hypercolumns that are never built.

A hypercolumn is what all taps of a network have to say about a pixel: their maps, interpolated at that
pixel and concatenated (Hariharan et al., CVPR 2015; Mostajabi et al., CVPR 2018, sec. 3; PixelNet). A
linear layer on it is a sum of one linear layer a tap, and linear layers commute with interpolation. So
each tap is projected where it is, taps of one resolution are added up, and what is interpolated are a
few output channels instead of thousands of features.

Shape legend: see :mod:`labelenc_mm.networks.point_sampling`; K output channels.
"""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from labelenc_mm.networks.point_sampling import pixel_grid, sample_points, upsample_by_stride


class HypercolumnProjection(BaseModule):
    """A linear layer (1x1 convolution) on hypercolumns: everywhere, or at points.

    Args:
        in_channels: Channels of each tap.
        strides: Pixels a cell of each tap.
        out_channels: K.
        norm_cfg: Normalisation of each tap, e.g. ``dict(type='BN', affine=False)`` for features of zero
            mean and unit variance. The statistics are those of the tap at its own resolution; of the
            interpolated one they would differ slightly, since interpolation lowers the variance.
        dropout: Share of the hypercolumn's elements that training sets to zero. The hypercolumn is then
            built, for what is zero at one pixel is not at its neighbour: use it with points.
        init_cfg: As in mmengine.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        out_channels: int,
        norm_cfg: dict | None = None,
        dropout: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != len(strides) or not in_channels:
            raise ValueError(
                f'in_channels and strides have one entry a tap, got {list(in_channels)} and '
                f'{list(strides)}. They are the tap_channels and tap_strides of the backbone.'
            )
        self.in_channels = tuple(in_channels)
        self.strides = tuple(strides)
        self.norms = nn.ModuleList(
            build_norm_layer(norm_cfg, channels)[1] if norm_cfg else nn.Identity()
            for channels in in_channels
        )
        self.projections = nn.ModuleList(
            nn.Conv2d(channels, out_channels, 1, bias=False) for channels in in_channels
        )
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.dropout = nn.Dropout(dropout)

    @property
    def drops(self) -> bool:
        """Whether a forward pass now would set elements of the hypercolumn to zero."""
        return self.training and self.dropout.p > 0

    def forward(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The layer's output at every pixel.

        Args:
            features: One (N, C, h, w) map a tap.
            size: (H, W) of the images.

        Returns:
            (N, K, H, W).

        Raises:
            ValueError: The maps are not those of the taps (number, channels, size).
        """
        if self.drops:
            grid = pixel_grid(size, device=features[0].device)  # in half precision no whole numbers
            return self.at_points(features, grid.expand(len(features[0]), -1, -1), size).view(
                len(features[0]), -1, *size
            )
        total = self.bias.view(1, -1, 1, 1)
        for stride, scores in self.project(features, size).items():
            total = total + upsample_by_stride(scores, stride, size)
        return total

    def at_points(
        self, features: Sequence[Tensor], points: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """The layer's output at points only.

        A tap with fewer cells than there are points is projected first and interpolated then; one with
        more the other way round.

        Args:
            features: One (N, C, h, w) map a tap.
            points: (N, P, 2) coordinates (x, y) in pixels.
            size: (H, W) of the images.

        Returns:
            (N, K, P, 1), so that 1x1 convolutions can follow.
        """
        self._check(features, size)
        taps = range(len(features))
        cells = [feature.shape[-2] * feature.shape[-1] for feature in features]
        coarse = [i for i in taps if not self.drops and cells[i] <= points.shape[1]]
        total = self.sample(self._project(features, coarse), points)
        for index in taps:
            if index not in coarse:
                values = sample_points(
                    self.norms[index](features[index]), points, self.strides[index]
                ).unsqueeze(-1)
                total = total + self.projections[index](self.dropout(values))
        return total

    def project(self, features: Sequence[Tensor], size: tuple[int, int]) -> dict[int, Tensor]:
        """Project every tap at its own resolution, without bias.

        Args:
            features: One (N, C, h, w) map a tap.
            size: (H, W) of the images.

        Returns:
            Stride -> (N, K, h, w) sum over the taps of this stride.
        """
        self._check(features, size)
        return self._project(features, range(len(features)))

    def sample(self, projected: dict[int, Tensor], points: Tensor) -> Tensor:
        """The layer's output at (N, P, 2) points from what :meth:`project` gave: (N, K, P, 1)."""
        total = self.bias.view(1, -1, 1, 1)
        for stride, scores in projected.items():
            total = total + sample_points(scores, points, stride).unsqueeze(-1)
        return total

    def _project(self, features: Sequence[Tensor], taps: Sequence[int]) -> dict[int, Tensor]:
        projected: dict[int, Tensor] = {}
        for index in taps:
            stride = self.strides[index]
            scores = self.projections[index](self.norms[index](features[index]))
            projected[stride] = projected[stride] + scores if stride in projected else scores
        return projected

    def _check(self, features: Sequence[Tensor], size: tuple[int, int]) -> None:
        if len(features) != len(self.in_channels):
            raise ValueError(
                f'{len(features)} feature maps for {len(self.in_channels)} taps: in_channels and '
                'strides are the tap_channels and tap_strides of the backbone'
            )
        for index, feature in enumerate(features):
            channels, stride = self.in_channels[index], self.strides[index]
            cells = feature.shape[-2:]
            # Backbones round a size down (VGG) or up (ResNet).
            fits = all(
                length // stride <= found <= -(-length // stride)
                for length, found in zip(size, cells, strict=True)
            )
            if feature.shape[1] != channels or not fits:
                raise ValueError(
                    f'tap {index} has {feature.shape[1]} channels of {tuple(cells)} cells for images '
                    f'of {tuple(size)} pixels; {channels} channels at stride {stride} were announced. '
                    'in_channels and strides are the tap_channels and tap_strides of the backbone'
                )
