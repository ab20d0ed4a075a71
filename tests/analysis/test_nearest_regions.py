"""The search for nearest regions against one that compares everything with everything."""

import numpy as np
import pytest
import torch
from random_regions import CHANNELS, gallery, make_regions

from labelenc_mm.analysis.nearest_regions import NearestRegions


def distances(metric, a, b):
    """Of all pairs, in double precision."""
    a, b = a.double().numpy(), b.double().numpy()
    if metric == 'euclidean':
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    return 1 - (a @ b.T) / lengths


def brute_force(metric, queries, images, count, one_per_image, skips):
    """(distance, image, region) of the nearest, sorted; the first of equal ones."""
    found = []
    for q in range(len(queries)):
        entries = []
        for i, regions in enumerate(images):
            if len(regions) and not skips[q][i]:
                row = distances(metric, queries[q : q + 1], regions.codes)[0]
                pairs = sorted((round(d, 9), r) for r, d in enumerate(row))
                entries += [(d, i, r) for d, r in (pairs[:1] if one_per_image else pairs)]
        found.append(sorted(entries)[:count])
    return found


@pytest.mark.parametrize('metric', ['euclidean', 'cosine'])
@pytest.mark.parametrize('one_per_image', [False, True])
@pytest.mark.parametrize('at_once', [1, 40, 10**6])
@pytest.mark.parametrize('count', [1, 2, 5])
def test_finds_what_a_search_over_all_pairs_finds(metric, one_per_image, at_once, count):
    queries, images = make_regions(8, 1).codes, gallery()
    skips = [[(q + i) % 5 == 3 for i in range(len(images))] for q in range(8)]
    search = NearestRegions(queries, count, metric, one_per_image, at_once)
    for i, regions in enumerate(images):
        search.add(regions, i, torch.tensor([row[i] for row in skips]))
    expected = brute_force(metric, queries, images, count, one_per_image, skips)
    for q, entries in enumerate(expected):
        assert len(entries) >= min(count, 3)
        for rank in range(count):
            if rank >= len(entries):
                assert search.images[q, rank] == -1 and search.distances[q, rank] == torch.inf
                continue
            distance, image, region = entries[rank]
            assert search.images[q, rank] == image
            assert torch.equal(search.cells[q, rank], images[image].cells[region])
            assert torch.equal(search.labels[q, rank], images[image].labels[region])
            assert float(search.distances[q, rank]) == pytest.approx(distance, abs=2e-6)


@pytest.mark.parametrize('at_once', [1, 17, 10**6])
@pytest.mark.parametrize('one_per_image', [False, True])
def test_of_equally_near_regions_the_first_count(at_once, one_per_image):
    queries, images = make_regions(6, 1, values=2).codes, gallery(values=2)
    search = NearestRegions(queries, 3, 'euclidean', one_per_image, at_once)
    for i, regions in enumerate(images):
        search.add(regions, i)
    none = [[False] * len(images)] * 6
    expected = brute_force('euclidean', queries, images, 3, one_per_image, none)
    for q, entries in enumerate(expected):
        assert search.images[q].tolist() == [image for _, image, _ in entries]
        cells = [images[image].cells[region].tolist() for _, image, region in entries]
        assert search.cells[q].tolist() == cells


def test_small_distances_between_large_codes_are_not_lost():
    queries = torch.full((1, CHANNELS), 1000.0)
    regions = make_regions(30, 0)
    regions.codes = queries + torch.linspace(1, 0.01, 30)[:, None]
    search = NearestRegions(queries, 2)
    search.add(regions, 0)
    assert search.cells[0].tolist() == regions.cells[[29, 28]].tolist()


def test_codes_of_zeros_have_a_cosine_distance():
    search = NearestRegions(torch.zeros(1, CHANNELS), 1, 'cosine')
    search.add(make_regions(4, 0), 0)
    assert search.distances.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ('options', 'message'),
    [(dict(metric='manhattan'), "got 'manhattan'"), (dict(count=0), 'at least one neighbour')],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        NearestRegions(torch.zeros(1, CHANNELS), **options)
