"""Drawn points: which they are, how often, and what fills up where there are too few."""

import pytest
import torch

from labelenc_mm.networks import draw_balanced, draw_uniform
from labelenc_mm.networks.point_drawing import without_border


def draw_points(labels, num_points, border=0):
    """(N, P, 2) coordinates and (N, P) labels of what is drawn among the pixels that are not 255."""
    points = draw_uniform(without_border(labels != 255, border), num_points)
    drawn = labels.flatten(1).gather(1, points.cells).masked_fill(~points.is_drawn, 255)
    return points.coordinates(labels.shape[-1]), drawn


def test_drawn_points_are_labelled_pixels_without_replacement():
    labels = torch.randint(0, 5, (3, 20, 30))
    labels[:, ::2] = 255
    points, drawn = draw_points(labels, 200)
    assert points.shape == (3, 200, 2) and drawn.shape == (3, 200)
    for image in range(3):
        x, y = points[image].long().unbind(-1)
        assert torch.equal(drawn[image], labels[image, y, x])
        assert (drawn[image] != 255).all()
        assert len(set(zip(x.tolist(), y.tolist()))) == 200


def test_drawing_is_uniform():
    labels = torch.full((1, 4, 5), 255)
    labels[0, 1:3, 1:] = 1  # 8 pixels
    counts = torch.zeros(4, 5)
    for _ in range(2000):
        x, y = draw_points(labels, 2)[0][0].long().unbind(-1)
        counts[y, x] += 1
    # 500 each; a binomial deviation of 19, so 5 of them are 97
    assert counts[labels[0] == 255].sum() == 0
    assert (counts[1:3, 1:] - 500).abs().max() < 97


def test_too_few_labels_are_made_up_for_by_ignored_points():
    labels = torch.full((2, 6, 6), 255)
    labels[0, 2, 3], labels[0, 4, 5] = 7, 8
    points, drawn = draw_points(labels, 10)
    assert sorted(drawn[0].tolist()) == [7, 8] + [255] * 8
    assert (drawn[1] == 255).all()
    assert points[0, drawn[0] == 7].tolist() == [[3, 2]]
    assert draw_points(labels, 100)[1].shape == (2, 36)


def test_margin_without_points():
    labels = torch.zeros(1, 12, 16, dtype=torch.int64)
    points, drawn = draw_points(labels, 192, border=4)
    inside = points[0, drawn[0] == 0]
    assert len(inside) == 4 * 8 and (drawn[0] == 255).sum() == 192 - 32
    assert inside.amin(0).tolist() == [4, 4] and inside.amax(0).tolist() == [11, 7]


@pytest.mark.parametrize(
    'positives, negatives, expected',
    [
        (40, 60, (5, 5)),  # half of them, though more than half are negative
        (3, 60, (3, 7)),  # too few positives
        (60, 2, (8, 2)),
        (0, 60, (0, 10)),
        (2, 3, (2, 3)),  # too few of both: 5 points are filler
        (0, 0, (0, 0)),
    ],
)
def test_half_of_the_balanced_points_are_positive_where_there_are_enough(
    positives, negatives, expected
):
    kinds = torch.full((150,), 255)
    kinds[:positives], kinds[positives : positives + negatives] = 1, 0
    kinds = torch.stack([kinds[torch.randperm(150)] for _ in range(3)]).view(3, 10, 15)
    points = draw_balanced(kinds != 255, kinds == 1, 10, 0.5)
    drawn = kinds.flatten(1).gather(1, points.cells).masked_fill(~points.is_drawn, 7)
    assert points.cells.shape == (3, 10)
    for image in range(3):
        assert ((drawn[image] == 1).sum(), (drawn[image] == 0).sum()) == expected
        cells = points.cells[image][points.is_drawn[image]].tolist()
        assert len(set(cells)) == len(cells) == sum(expected)


def test_balanced_drawing_is_uniform_within_each_kind():
    positive = torch.zeros(1, 4, 10, dtype=torch.bool)
    positive[0, 0] = True
    counts = torch.zeros(40)
    for _ in range(2000):
        counts[draw_balanced(torch.ones_like(positive), positive, 8, 0.25).cells[0]] += 1
    # 2 of 10 and 6 of 30, 400 each; a binomial deviation of 18, so 5 of them are 90
    assert (counts - 400).abs().max() < 90


def test_shapes_depend_on_shapes_alone_and_nothing_is_read_back():
    """On the meta device there is nothing to read: what waits for a value raises."""
    with torch.device('meta'):
        candidates = torch.ones(2, 6, 7, dtype=torch.bool)
        assert draw_uniform(candidates, 50).cells.shape == (2, 42)
        assert draw_balanced(candidates, candidates, 12, 0.5).is_drawn.shape == (2, 12)


def test_a_seed_gives_the_same_points_from_version_to_version():
    """One uniform number a pixel, in one call; the candidates with the largest, in their order."""
    candidates = torch.rand(3, 9, 7) < 0.4
    torch.manual_seed(5)
    points = draw_uniform(candidates, 12)
    torch.manual_seed(5)
    keys = torch.rand(3, 9, 7).flatten(1)
    for cells, row, mask in zip(points.cells, keys.tolist(), candidates.flatten(1).tolist()):
        ranked = sorted((i for i in range(63) if mask[i]), key=lambda i: -row[i])
        assert cells.tolist() == ranked[:12]
