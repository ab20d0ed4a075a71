"""Queries from training images, and what a search finds for them (Label structure, CVPR 2018, Figure 7).

Shape legend: Q queries, k neighbours.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labelenc_mm.analysis.label_regions import NOWHERE, Regions, label_agreement, main_class
from labelenc_mm.analysis.nearest_regions import NearestRegions
from labelenc_mm.analysis.region_codes import RegionCoder


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
