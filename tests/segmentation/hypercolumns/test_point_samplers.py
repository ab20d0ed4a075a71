"""Samplers of points: which pixels they draw of targets, and what they refuse."""

import pytest
import torch
from mmseg.registry import TASK_UTILS

from labelenc_mm.segmentation import LabelMapTargets

TARGETS = LabelMapTargets()


def build(type, **options):
    return TASK_UTILS.build(dict(type=f'{type}PointSampler', **options))


def labels_of(sampler, maps):
    """Labels of what was drawn, and (x, y) of it, for one image."""
    points = sampler.draw(TARGETS, maps)
    kept = points.is_drawn[0]
    return maps[0].flatten()[points.cells[0][kept]], points.coordinates(maps.shape[-1])[0][kept]


@pytest.mark.parametrize('type', ['Uniform', 'Balanced'])
def test_points_lie_inside_the_border_and_have_a_label(type):
    maps = torch.randint(0, 3, (1, 12, 16))
    maps[:, 5] = 255
    labels, xy = labels_of(build(type, num_points=100, border=4), maps)
    assert len(labels) == 3 * 8 and (labels != 255).all()  # rows 4, 6 and 7
    assert xy.amin(0).tolist() == [4, 4] and xy.amax(0).tolist() == [11, 7]


@pytest.mark.parametrize('type', ['Uniform', 'Balanced'])
def test_the_border_is_counted_from_the_edges_of_each_image(type):
    """In a batch of 64x64 pixels: one of 40x40, a whole one, and one that is too narrow."""
    maps = torch.randint(0, 3, (3, 64, 64))
    sampler = build(type, num_points=2000, border=12)
    points = sampler.draw(TARGETS, maps, [(40, 40), (64, 64), (9, 64)])
    times = torch.zeros(3, 64 * 64, dtype=torch.int64)
    times.scatter_add_(1, points.cells, points.is_drawn.long())
    expected = torch.zeros(3, 64, 64, dtype=torch.int64)
    expected[0, 12:28, 12:28] = expected[1, 12:52, 12:52] = 1
    assert torch.equal(times.view(3, 64, 64), expected)


@pytest.mark.parametrize('border', [0, 4])
@pytest.mark.parametrize('type', ['Uniform', 'Balanced'])
def test_padding_is_not_drawn_whatever_its_label(type, border):
    maps = torch.zeros(1, 12, 16, dtype=torch.int64)
    points = build(type, num_points=200, border=border).draw(TARGETS, maps, [(12, 10)])
    x = points.coordinates(16)[0, points.is_drawn[0], 0]
    assert len(x) == (12 - 2 * border) * (10 - 2 * border) and x.max() == 9 - border


@pytest.mark.parametrize('border', [0, 3])
def test_without_padding_points_are_drawn_from_all_labels_inside_the_border(border):
    maps = torch.randint(0, 3, (2, 12, 16))
    inside = torch.ones_like(maps, dtype=torch.bool)
    for edge in range(border):
        inside[:, [edge, -1 - edge]] = inside[:, :, [edge, -1 - edge]] = False
    found = []
    for sizes in (None, [(12, 16)] * 2):
        torch.manual_seed(0)
        found.append(build('Uniform', num_points=30, border=border).draw(TARGETS, maps, sizes))
    torch.manual_seed(0)
    expected = torch.rand(2, 12, 16).masked_fill(~inside, -1).flatten(1).topk(30).indices
    assert torch.equal(found[0].cells, expected) and torch.equal(found[1].cells, expected)


def test_a_border_that_takes_the_largest_image_is_refused_whatever_is_beside_it():
    sampler = build('Uniform', num_points=5, border=12)
    with pytest.raises(ValueError, match=r'no pixel of images of \(24, 32\) pixels'):
        sampler.draw(TARGETS, torch.zeros(2, 24, 32, dtype=torch.int64), [(24, 24), (20, 32)])
    narrow = sampler.draw(TARGETS, torch.zeros(1, 40, 40, dtype=torch.int64), [(20, 40)])
    assert not narrow.is_drawn.any()


@pytest.mark.parametrize('share, expected', [(0.25, 8), (0.5, 16), (0.75, 24), (0, 0), (1, 32)])
def test_a_share_of_the_points_is_positive_whatever_their_label(share, expected):
    maps = torch.zeros(1, 40, 40, dtype=torch.int64)
    maps[:, 3] = torch.arange(40) % 2 + 1
    labels, _ = labels_of(build('Balanced', num_points=32, positive_share=share), maps)
    assert (labels > 0).sum() == expected and len(labels) == 32


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(type='Uniform', num_points=0), 'num_points=0 of UniformPointSampler'),
        (dict(type='Balanced', num_points=-1), 'num_points=-1 of BalancedPointSampler'),
        (dict(type='Balanced', num_points=9, positive_share=25), 'positive_share=25 is no share'),
    ],
)
def test_numbers_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
