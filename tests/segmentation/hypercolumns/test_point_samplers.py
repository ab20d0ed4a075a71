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
