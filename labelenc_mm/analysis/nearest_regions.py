"""Nearest neighbours of regions in the space of the label code, in a gallery that is never held in memory.

Regions come image by image, and what is kept are the nearest of each query so far.

Shape legend: Q queries, k neighbours, R regions, C channels of the code, s stride of the code.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from labelenc_mm.analysis.label_regions import NOWHERE, Regions

METRICS = ('euclidean', 'cosine')
_DISTANCES_AT_ONCE = 2**22
"""16 MiB of float32, whatever the size of gallery and images."""


class NearestRegions:
    """Finds the nearest regions of each query in a gallery that passes by.

    Of equally near regions the one that came first counts, so that a result depends on nothing but the
    order of the gallery.

    Args:
        queries: (Q, C) codes.
        count: k.
        metric: 'euclidean', or 'cosine' for 1 - cosine similarity. The paper does not say which it uses.
        one_per_image: Whether an image gives a query no more than one neighbour.
        distances_at_once: How many are computed in one go; bounds the memory.
    """

    def __init__(
        self,
        queries: Tensor,
        count: int = 2,
        metric: str = 'euclidean',
        one_per_image: bool = False,
        distances_at_once: int = _DISTANCES_AT_ONCE,
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f'metric must be one of {METRICS}, got {metric!r}')
        if count < 1:
            raise ValueError(f'count={count}: ask for at least one neighbour')
        self.metric = metric
        self.queries = self._prepare(queries)
        self.one_per_image = one_per_image
        self.chunk = max(1, distances_at_once // max(1, len(queries)))
        size = (len(queries), count)
        self.distances = queries.new_full(size, torch.inf, dtype=torch.float32)
        """(Q, k) ascending; infinite where the gallery had no more regions."""
        self.images = torch.full(size, -1)
        """(Q, k) number of the image."""
        self.cells = torch.full((*size, 2), -1)
        """(Q, k, 2) row and column."""
        self.labels: Tensor | None = None
        """(Q, k, s, s) labels of the pixels; None before the first regions."""

    def add(self, regions: Regions, image: int, skip: Tensor | None = None) -> None:
        """Let the regions of an image pass by.

        Args:
            regions: Of the image.
            image: Its number.
            skip: (Q,) bool, queries that do not look at this image.
        """
        if self.labels is None:
            side = regions.labels.shape[-1]
            self.labels = torch.full(
                (*self.distances.shape, side, side), NOWHERE, dtype=torch.int16
            )
        wanted = 1 if self.one_per_image else self.distances.shape[1]
        found, at = self._nearest(self._prepare(regions.codes), wanted)
        if skip is not None:
            found[skip] = torch.inf
        count = self.distances.shape[1]
        # Stable: of equal distances those before stay before.
        self.distances, order = torch.cat([self.distances, found], 1).sort(dim=1, stable=True)
        self.distances, order = self.distances[:, :count], order[:, :count]
        images = torch.full_like(at, image)
        self.images = torch.cat([self.images, images], 1).gather(1, order)
        self.cells = _merge(self.cells, regions.cells[at], order)
        self.labels = _merge(self.labels, regions.labels[at], order)

    def peak_bytes(self, regions: Regions) -> int:
        """What the search holds at most, for queries like these: codes, distances and neighbours."""
        count = self.distances.shape[1]
        kept = regions.labels[:1].nbytes + 4 + 8 + 16
        distances = 4 * len(self.queries) * self.chunk
        return self.queries.nbytes + distances + 2 * count * len(self.queries) * kept

    def _nearest(self, codes: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
        """(Q, n) ascending distances to the nearest codes and their positions, n at most ``wanted``."""
        found = self.distances.new_empty(len(self.queries), 0)
        at = torch.empty(len(self.queries), 0, dtype=torch.long)
        for begin in range(0, len(codes), self.chunk):
            distances = self._distances(codes[begin : begin + self.chunk])
            for _ in range(min(wanted, distances.shape[1])):
                # Unlike topk's, the position is that of the first of equal distances.
                nearest, position = distances.min(1, keepdim=True)
                distances.scatter_(1, position, torch.inf)
                found = torch.cat([found, nearest], 1)
                at = torch.cat([at, position + begin], 1)
            found, order = found.sort(dim=1, stable=True)
            found, at = found[:, :wanted], at.gather(1, order)[:, :wanted]
        return found, at

    def _prepare(self, codes: Tensor) -> Tensor:
        codes = codes.float()
        return F.normalize(codes, dim=1) if self.metric == 'cosine' else codes

    def _distances(self, codes: Tensor) -> Tensor:
        if self.metric == 'cosine':
            return 1 - self.queries @ codes.T
        # The faster form by matrix products loses small distances between large codes.
        return torch.cdist(self.queries, codes, compute_mode='donot_use_mm_for_euclid_dist')


def _merge(kept: Tensor, new: Tensor, order: Tensor) -> Tensor:
    """Entries of (Q, k, ...) and (Q, n, ...) in a (Q, k) order of their concatenation."""
    index = order.reshape(*order.shape, *[1] * (kept.dim() - 2)).expand(-1, -1, *kept.shape[2:])
    return torch.cat([kept, new], 1).gather(1, index)
