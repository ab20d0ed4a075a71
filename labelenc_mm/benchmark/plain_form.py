"""LabelEnc (ECCV 2020) computed as its authors' code does, to compare with.

Every object is drawn over the whole image into a map per class of the data set, all maps of a batch
are stacked and convolved, and both pyramids are standardised, flattened and concatenated before they
are compared. The weights have the same names as in the form that the package trains with, and the
results are the same up to rounding. Configs name these classes by themselves, no registry knows them.

Shape legend: N objects, C classes of the data set, (H, W) size of the network input in pixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor

from labelenc_mm.detection import LabelEncodingHead
from labelenc_mm.engine.built_models import entry_of
from labelenc_mm.networks import LabelEncoder


def plain_config(config: Config) -> Config:
    """A copy of a label-encoded detector's config that computes in the plain form.

    Raises:
        ValueError: If head or encoder are others than those that have a plain form.
    """
    config = Config(config.to_dict())
    options = config.model.labelenc
    options.encoder = options.get('encoder') or {}
    parts: list[tuple[str, Any, type, type]] = [
        ('labelenc', options, LabelEncodingHead, PlainLabelEncodingHead),
        ('labelenc.encoder', options.encoder, LabelEncoder, PlainLabelEncoder),
    ]
    for name, part, stock, plain in parts:
        kind = part.get('type', stock)
        if entry_of({'type': kind}, MODELS) is not stock:
            raise ValueError(f'{name} of type {kind} has no plain form; only {stock.__name__} has')
        part.type = plain
    return config


def draw_plain_object_maps(
    bboxes: Tensor,
    labels: Tensor,
    size: tuple[int, int],
    *,
    masks: Tensor | None = None,
    scales: Tensor | None = None,
    pixel_offset: float = 0.5,
    num_classes: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Like :func:`labelenc_mm.labels.draw_object_maps`, object by object over the whole image.

    Returns:
        All classes (C,) and their maps (C, H, W) float32.
    """
    height, width = size
    assert num_classes is not None
    maps = bboxes.new_zeros(num_classes, height, width, dtype=torch.float32)
    for index, (x1, y1, x2, y2) in enumerate(bboxes.float()):
        y, x = torch.meshgrid(
            torch.arange(height, dtype=torch.float32, device=maps.device) + pixel_offset,
            torch.arange(width, dtype=torch.float32, device=maps.device) + pixel_offset,
            indexing='ij',
        )
        distance_x = (x - (x1 + x2) / 2).abs() / (x2 - x1)
        distance_y = (y - (y1 + y2) / 2).abs() / (y2 - y1)
        values = 1 - torch.max(distance_x, distance_y)
        values = values * (values >= 0.5).float()
        if scales is not None:
            values = values * scales[index]
        if masks is not None:
            mask = masks[index].to(values)
            values = values * F.pad(mask, (0, width - mask.shape[1], 0, height - mask.shape[0]))
        maps[labels[index]] = torch.max(maps[labels[index]], values)
    return torch.arange(num_classes, device=maps.device), maps


def plain_feature_distance(
    features: Sequence[Tensor], targets: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Like :func:`labelenc_mm.networks.feature_distance`, without correlations (none are returned)."""
    ours, theirs = (
        torch.cat([F.group_norm(level.float(), 1).flatten(1) for level in side], dim=1)
        for side in (features, targets)
    )
    return F.mse_loss(ours, theirs), ours.new_zeros(0)


class PlainLabelEncoder(LabelEncoder):
    """The label encoder on dense maps, layer by layer."""

    def forward(self, object_maps: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
        """Encode maps of all classes, each (C, H, W), of N images."""
        x = self.stem(torch.stack([maps for _, maps in object_maps]))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)


class PlainLabelEncodingHead(LabelEncodingHead):
    """The head with plain drawing and plain distance."""

    draw_maps = staticmethod(draw_plain_object_maps)
    distance = staticmethod(plain_feature_distance)
