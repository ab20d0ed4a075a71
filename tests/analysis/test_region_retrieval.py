"""Queries and what is found for them: draws by seed, agreement of labels, chance."""

import pytest
import torch
from random_regions import SIZES, gallery, make_regions

from labelenc_mm.analysis.label_regions import NOWHERE
from labelenc_mm.analysis.nearest_regions import NearestRegions
from labelenc_mm.analysis.region_retrieval import draw_queries, retrieve


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
