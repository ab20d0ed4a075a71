"""Supervision by the features of a frozen label encoder (Label structure, CVPR 2018, sec. 3.3, Figure 4)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.labels import VOID
from labelenc_mm.networks.autocast import without_float16
from labelenc_mm.networks.label_map_coder import CHANNELS
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead


@MODELS.register_module()
class FrozenLabelEncoderHead(FrozenLabelHead):
    """Regress the encoder's hypercolumn of the ground truth from the segmentor's hypercolumn.

    Both are per-pixel features: several layers, each upsampled to the label maps (bilinear) and put on
    top of one another. The predictor is linear, and so each layer of the segmentor is projected at its
    own resolution and the projections are upsampled and added: the same function without the
    concatenated hypercolumn. :class:`~labelenc_mm.networks.HypercolumnProjection` does so by strides that
    a backbone announces; features that are found by name have none, and are resized to the label maps.

    Args:
        num_classes: Number of classes, filled in below ``label_structure``.
        in_channels: Channels of each of the segmentor's features, filled in below ``label_structure``.
        in_index: As an auxiliary head: which of the features that it is given it reads; by default all.
        channels: Channels of the autoencoder (sec. 3.1).
        pool_last: That of the autoencoder.
        targets: Convolutions of the encoder that make its hypercolumn, counted from 1 (sec. 3.3: conv1
            and conv3).
        init_from: ``label_autoencoder.safetensors`` of the autoencoder (sec. 3.3); our ``--resume``
            does without.
        random_init: True leaves the frozen encoder at random weights, as an ablation.
        loss_weight: Factor of the loss. The paper gives none.
        ignore_index: Label of void pixels, which do not count; below ``label_structure`` filled in from
            the decode head.
    """

    part = 'encoder'

    def __init__(
        self,
        num_classes: int,
        in_channels: int | Sequence[int],
        in_index: int | Sequence[int] | None = None,
        channels: Sequence[int] = CHANNELS,
        pool_last: bool = False,
        targets: Sequence[int] = (1, 3),
        init_from: str | None = None,
        random_init: bool = False,
        loss_weight: float = 1.0,
        ignore_index: int = VOID,
    ) -> None:
        if in_index is None:
            in_index = 0 if isinstance(in_channels, int) else range(len(in_channels))
        encoder = MODELS.build(
            dict(
                type='LabelMapEncoder',
                num_classes=num_classes,
                channels=channels,
                pool_last=pool_last,
                ignore_index=ignore_index,
            )
        )
        super().__init__(
            encoder,
            in_channels,
            in_index,
            init_from,
            random_init=random_init,
            ignore_index=ignore_index,
        )
        if not targets or not all(1 <= target <= len(channels) for target in targets):
            raise ValueError(
                f'targets={tuple(targets)}: the encoder has the convolutions 1 to {len(channels)}'
            )
        self.targets = tuple(targets)
        self.loss_weight = loss_weight
        out_channels = sum(encoder.channels[target - 1] for target in targets)
        # One layer whose input is the concatenation: the bias counts once.
        self.projections = nn.ModuleList(
            nn.Conv2d(width, out_channels, 1, bias=index == 0)
            for index, width in enumerate(self.in_channels)
        )

    @torch.no_grad()
    def encode(self, label_maps: Tensor) -> Tensor:
        """The encoder's hypercolumn: (N, H, W) label maps -> (N, sum of target channels, H, W)."""
        height, width = label_maps.shape[-2:]
        with without_float16(label_maps.device.type):
            activations = self.encoder.activations(label_maps, max(self.targets))
        layers = [activations[target - 1] for target in self.targets]
        # Of the extended maps, which begin at the same pixel and are a multiple of the stride.
        full = [side * self.encoder.stride for side in self.encoder.code_size((height, width))]
        return torch.cat([_resize(layer, full)[..., :height, :width] for layer in layers], 1)

    def forward(self, inputs: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Predict the hypercolumn: features (N, c, h, w) -> (N, sum of target channels, H, W)."""
        # Features of one size are added up before they are resized.
        sums: dict[tuple[int, ...], Tensor] = {}
        for projection, feature in zip(self.projections, self.select(inputs), strict=True):
            projected, cells = projection(feature), tuple(feature.shape[-2:])
            sums[cells] = sums[cells] + projected if cells in sums else projected
        first, *others = (_resize(projected, size) for projected in sums.values())
        return sum(others, start=first)

    def loss_by_maps(self, inputs: Sequence[Tensor], label_maps: Tensor) -> dict[str, Tensor]:
        """The squared error, averaged over channels and labelled pixels.

        Args:
            inputs: Features of the segmentor, each (N, c, h, w).
            label_maps: (N, H, W) integers, checked.
        """
        self.check_is_learned()
        predicted = self.forward(inputs, label_maps.shape[-2:]).float()
        error = (predicted - self.encode(label_maps).float()).square().mean(1)
        is_valid = label_maps != self.ignore_index
        loss = (error * is_valid).sum() / is_valid.sum().clamp(min=1)
        return {'loss_mse': self.loss_weight * loss}


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode='bilinear', align_corners=False)
