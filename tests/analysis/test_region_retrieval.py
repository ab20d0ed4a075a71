"""The search for nearest regions against one that compares everything with everything."""

import numpy as np
import pytest
import torch

from labelenc_mm.analysis.label_regions import NOWHERE, Regions
from labelenc_mm.analysis.region_retrieval import NearestRegions, draw_queries, retrieve

CHANNELS = 3
SIZES = (7, 0, 1, 30, 12)  # regions of the images of the gallery


def make_regions(count, seed, values=None):
    """Random regions; with ``values`` codes are whole numbers, so that many are equally near."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(count, CHANNELS, generator=generator)
    if values is not None:
        codes = torch.randint(values, (count, CHANNELS), generator=generator).float()
    return Regions(
        codes,
        torch.arange(2 * count).reshape(count, 2),
        torch.randint(-1, 4, (count, 2, 2), generator=generator).to(torch.int16),
    )


def gallery(values=None):
    return [make_regions(size, 10 + i, values) for i, size in enumerate(SIZES)]


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


class Coder:
    """Regions of "images" that are regions already."""

    def __call__(self, item):
        return item


def test_queries_are_a_function_of_the_seed_and_one_an_image():
    images = gallery()
    draws = [draw_queries(images, Coder(), 3, seed) for seed in (0, 0, 1)]
    assert draws[0][1] == draws[1][1] != draws[2][1]
    assert torch.equal(draws[0][0].codes, draws[1][0].codes)
    every, numbers = draw_queries(images, Coder(), 100, 0)
    assert sorted(numbers) == [0, 2, 3, 4]  # image 1 has no region
    for i, number in enumerate(numbers):
        assert any(torch.equal(every.codes[i], code) for code in images[number].codes)


def test_a_class_is_drawn_before_a_region():
    """One region of class 1 among 99 of class 0: both are drawn about equally often."""
    regions = make_regions(100, 0)
    regions.labels[:] = 0
    regions.labels[57] = 1
    drawn = [draw_queries([regions], Coder(), 1, seed)[0] for seed in range(200)]
    rare = sum(bool((each.labels == 1).all()) for each in drawn)
    assert 70 < rare < 130
    only = [draw_queries([regions], Coder(), 1, seed, [1])[0] for seed in range(5)]
    assert all(each.cells.tolist() == regions.cells[57:58].tolist() for each in only)
    with pytest.raises(ValueError, match='no training image has a region to ask for'):
        draw_queries([regions], Coder(), 1, 0, [2])


def search(queries, names, images, seed=0, count=2):
    nearest = NearestRegions(queries.codes, count)
    passing = ((f'{i}.jpg', regions) for i, regions in enumerate(images))
    return retrieve((queries, list(range(len(queries)))), names, passing, nearest, seed)


def test_agreement_is_that_of_the_labels_and_own_images_are_left_out():
    images = gallery()
    queries = images[3][:4]  # regions of the gallery itself
    found = search(queries, ['3.jpg', 'else.jpg', '3.jpg', 'else.jpg'], images)
    assert (found.nearest.images[[0, 2]] != 3).all()
    assert (found.nearest.distances[[1, 3], 0] == 0).all()
    assert found.num_regions == sum(SIZES)
    for q in range(4):
        for rank in range(2):
            a, b = queries.labels[q].numpy(), found.nearest.labels[q, rank].numpy()
            both = (a != NOWHERE) & (b != NOWHERE)
            expected = (a == b)[both].mean() if both.any() else float('nan')
            assert float(found.agreement[q, rank]) == pytest.approx(expected, nan_ok=True)


def test_worst_are_those_that_agree_least_among_the_rest():
    found = search(make_regions(6, 1), [''] * 6, gallery())
    found.agreement = torch.tensor(
        [[0.0, 0.0], [1, 1], [0.4, 0.2], [0.1, 0.9], [0.2, 0.2], [0.3, 0.3]]
    )
    assert found.worst(3) == [0, 4, 2]
    assert found.worst(3, but=1) == [4, 2, 5]
    assert found.worst(9, but=5) == [5]


def test_chance_draws_every_region_equally_often():
    images = [make_regions(size, 0) for size in (1, 3)]
    for number, regions in enumerate(images):
        regions.labels[:] = number * 10 + torch.arange(len(regions))[:, None, None]
    queries = make_regions(4000, 1)
    for label in (0, 10, 11, 12):
        queries.labels[:] = label
        share = search(queries, [''] * 4000, images).chance.mean()
        assert 0.22 < float(share) < 0.28


def test_an_empty_gallery_is_refused():
    for images in ([], [make_regions(0, 0)]):
        with pytest.raises(ValueError, match='the gallery has no region'):
            search(make_regions(2, 1), ['', ''], images)


def test_a_gallery_smaller_than_the_wish():
    found = search(make_regions(2, 1), ['', ''], [make_regions(1, 0)])
    assert found.nearest.images.tolist() == [[0, -1]] * 2
    assert found.agreement[:, 1].isnan().all()
