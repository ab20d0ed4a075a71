"""Nearest neighbours of regions in the space of the label code (Label structure, CVPR 2018, Figure 7).

The gallery is never held in memory: regions come image by image, and what is kept are the nearest of
each query so far.

Shape legend: Q queries, k neighbours, R regions, C channels of the code, s stride of the code.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labelenc_mm.analysis.label_regions import NOWHERE, Regions, label_agreement, main_class
from labelenc_mm.analysis.region_codes import RegionCoder

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


@dataclass
class Retrieval:
    """Queries and what was found.

    Attributes:
        queries: Q regions.
        query_images: Number of the image of each in its data set.
        nearest: Their neighbours.
        agreement: (Q, k) share of pixels with equal labels, NaN where there is no neighbour.
        chance: (Q,) the same with a region of the gallery that was drawn at random.
        num_regions: Of the gallery.
    """

    queries: Regions
    query_images: list[int]
    nearest: NearestRegions
    agreement: Tensor
    chance: Tensor
    num_regions: int

    def worst(self, count: int, but: int = 0) -> list[int]:
        """The queries whose neighbours agree least with them, worst first.

        Args:
            count: How many.
            but: Leave so many queries at the beginning out.
        """
        order = self.agreement.nanmean(1).argsort(stable=True).tolist()
        return [index for index in order if index >= but][:count]


def draw_queries(
    dataset: Sequence[Any],
    coder: RegionCoder,
    count: int,
    seed: int,
    classes: Sequence[int] | None = None,
    tell: Callable[[], object] | None = None,
) -> tuple[Regions, list[int]]:
    """Draw queries: one region each from images in random order.

    Of an image first a class is drawn, among those that are the most common label of a region, and then
    one of its regions: drawn at once, most would be background.

    Args:
        dataset: Items as a pipeline gives them.
        coder: Gives their regions.
        count: Q; fewer if the data set has fewer images that fit.
        seed: Of the draw.
        classes: Classes that queries are to be of; by default all.
        tell: Called after each query, for progress.

    Returns:
        The regions, and the number of the image of each.

    Raises:
        ValueError: No image has a region that fits.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn: list[Regions] = []
    images = []
    for image in torch.randperm(len(dataset), generator=generator).tolist():
        regions = coder(dataset[image])
        main = main_class(regions.labels)
        present = [c for c in main.unique().tolist() if classes is None or c in classes]
        if not present:
            continue
        label = present[int(torch.randint(len(present), (), generator=generator))]
        fitting = (main == label).nonzero()[:, 0]
        chosen = torch.randint(len(fitting), (1,), generator=generator)
        drawn.append(regions[fitting[chosen]])
        images.append(image)
        if tell is not None:
            tell()
        if len(drawn) == count:
            break
    if not drawn:
        raise ValueError(
            'no training image has a region to ask for: of those of which more than half is labelled '
            'none is mainly of the classes asked for'
        )
    return Regions.cat(drawn), images


def retrieve(
    queries: tuple[Regions, list[int]],
    query_names: Sequence[str],
    gallery: Iterable[tuple[str, Regions]],
    nearest: NearestRegions,
    seed: int,
) -> Retrieval:
    """Search a gallery.

    Args:
        queries: What :func:`draw_queries` gave.
        query_names: What the image of each is called; a query finds no region of an image of its name.
        gallery: Name and regions of each image, numbered as they come.
        nearest: A fresh search for the codes of the queries.
        seed: Of the regions that stand for chance.

    Raises:
        ValueError: The gallery has no region.
    """
    regions, images = queries
    generator = torch.Generator().manual_seed(seed)
    random_labels = torch.full_like(regions.labels, NOWHERE)
    total = 0
    for number, (name, found) in enumerate(gallery):
        if not len(found):
            continue
        skip = torch.tensor([name == own for own in query_names])
        nearest.add(found, number, skip)
        total += len(found)
        # A draw from a stream: each region is as likely to be the one that stays.
        replaces = torch.rand(len(regions), generator=generator) < len(found) / total
        drawn = torch.randint(len(found), (len(regions),), generator=generator)
        random_labels[replaces] = found.labels[drawn][replaces]
    if nearest.labels is None:
        raise ValueError(
            'the gallery has no region: in no validation image is more than half of a cell labelled'
        )
    return Retrieval(
        regions,
        images,
        nearest,
        label_agreement(regions.labels[:, None], nearest.labels),
        label_agreement(regions.labels, random_labels),
        total,
    )
