"""Targets of a hypercolumn head at each pixel: their readers (``targets=dict(type=...)``).

Three papers share one head: label maps (label structure, PixelNet), edge maps and surface normals
(PixelNet), colours (colorization). A reader finds the maps in the data samples and says what they mean at
all pixels or at drawn points; the head knows neither field nor form.

Shape legend: N images of (H, W) pixels, P points an image, C channels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmseg.models.losses import accuracy
from mmseg.registry import TASK_UTILS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.labels import VOID
from labelenc_mm.networks.point_drawing import DrawnPoints
from labelenc_mm.segmentation.data.label_maps import name_of

LABEL_MAPS = dict(type='LabelMapTargets')
"""What heads learn by default."""


class Targets(NamedTuple):
    """What a loss compares scores with. Points look like images of (P, 1) pixels."""

    values: Tensor
    """(N, H, W) labels or (N, C, H, W) values; at points (N, P, 1) or (N, C, P, 1)."""
    weight: Tensor | None
    """(N, H, W) or (N, P, 1), 0 where there is no target; None where the labels say so themselves."""


class PixelTargets(ABC):
    """Reads the targets of a batch.

    Args:
        field: Where a data sample has its map, a ``PixelData``.
        ignore_index: Label of pixels without a target; filled in by the head.
    """

    has_positives = False
    """Whether :meth:`is_positive` has an answer."""

    def __init__(self, field: str, ignore_index: int = VOID) -> None:
        self.field = field
        self.ignore_index = ignore_index

    def read(self, data_samples: Sequence[SegDataSample]) -> Tensor:
        """Stack what is in the field: (N, C, H, W).

        Raises:
            ValueError: A sample has no such field; names the file.
        """
        for sample in data_samples:
            if self.field not in sample:
                raise ValueError(
                    f'{name_of(sample)}: the sample has no {self.field}, which {type(self).__name__} '
                    f'reads, but {", ".join(sample.keys()) or "nothing"}. Load and pack it in the pipeline'
                )
        return torch.stack([getattr(sample, self.field).data for sample in data_samples])

    @abstractmethod
    def is_known(self, maps: Tensor) -> Tensor:
        """(N, H, W) bool: the pixels that have a target, among which points are drawn."""

    def is_positive(self, maps: Tensor) -> Tensor:
        """(N, H, W) bool: the pixels of which a balanced sampler draws a share."""
        raise NotImplementedError

    @abstractmethod
    def everywhere(self, maps: Tensor) -> Targets:
        """The targets of all pixels."""

    @abstractmethod
    def at_points(self, maps: Tensor, points: DrawnPoints) -> Targets:
        """The targets of points; what was not drawn has none."""

    def metrics(self, scores: Tensor, values: Tensor) -> dict[str, Tensor]:
        """What goes to the log beside losses; no name may contain 'loss'."""
        return {}


@TASK_UTILS.register_module()
class LabelMapTargets(PixelTargets):
    """Labels: of classes, or 0 and 1 of an edge map (``field='gt_edge_map'``); positive are all but 0.

    Args:
        field: Where a data sample has its (1, H, W) integer map.
        ignore_index: Label of pixels without a target; filled in by the head.
    """

    has_positives = True

    def __init__(self, field: str = 'gt_sem_seg', ignore_index: int = VOID) -> None:
        super().__init__(field, ignore_index)

    def read(self, data_samples: Sequence[SegDataSample]) -> Tensor:
        """(N, H, W) labels."""
        return super().read(data_samples).squeeze(1)

    def is_known(self, maps: Tensor) -> Tensor:
        """All labels but ``ignore_index``."""
        return maps.ne(self.ignore_index)

    def is_positive(self, maps: Tensor) -> Tensor:
        """All labels but 0 and ``ignore_index``."""
        return self.is_known(maps) & maps.ne(0)

    def everywhere(self, maps: Tensor) -> Targets:
        """The maps as they are."""
        return Targets(maps, None)

    def at_points(self, maps: Tensor, points: DrawnPoints) -> Targets:
        """Labels; of what was not drawn ``ignore_index``."""
        labels = maps.flatten(1).gather(1, points.cells)
        return Targets(labels.masked_fill(~points.is_drawn, self.ignore_index).unsqueeze(-1), None)

    def metrics(self, scores: Tensor, values: Tensor) -> dict[str, Tensor]:
        """``acc_seg``, the share of right labels in percent, as mmseg's heads log it.

        One logit stands for label 1 above 0; mmseg takes the highest of one score, which is always label 0.
        """
        if scores.shape[1] == 1:
            scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
        return {'acc_seg': accuracy(scores, values, ignore_index=self.ignore_index)}


@TASK_UTILS.register_module()
class VectorMapTargets(PixelTargets):
    """Vectors that are nowhere zero, as surface normals: zero stands for no target.

    Args:
        field: Where a data sample has its (C, H, W) map of floats.
        ignore_index: Has no meaning here; filled in by the head.
    """

    def is_known(self, maps: Tensor) -> Tensor:
        """Where a component is not zero."""
        return maps.ne(0).any(1)

    def everywhere(self, maps: Tensor) -> Targets:
        """The maps, and weight 1 where there is a vector."""
        return Targets(maps, self.is_known(maps).to(maps.dtype))

    def at_points(self, maps: Tensor, points: DrawnPoints) -> Targets:
        """Vectors, with weight 0 where nothing was drawn."""
        cells = points.cells.unsqueeze(1).expand(-1, maps.shape[1], -1)
        vectors = maps.flatten(2).gather(2, cells)
        return Targets(vectors.unsqueeze(-1), points.is_drawn.unsqueeze(-1).to(maps.dtype))
