"""Synthetic scenes hold what was asked for."""

import pytest
import torch

from labelenc_mm.benchmark import Workload
from labelenc_mm.benchmark.workload import draw_ellipses, make_scenes


def test_scenes_hold_what_was_asked_for():
    workload = Workload((64, 96), batch_size=2, num_objects=4, num_present=2)
    scenes = list(make_scenes(workload, 80))
    assert len(scenes) == 2
    for scene in scenes:
        assert scene.image.shape == (3, 64, 96) and scene.image.dtype == torch.uint8
        assert sorted(set(scene.labels.tolist())) == [0, 79] and len(scene.labels) == 4
        boxes = scene.bboxes
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= torch.tensor([96, 64])).all()
    assert not torch.equal(scenes[0].image, scenes[1].image)
    again = list(make_scenes(workload, 80))
    assert torch.equal(again[1].image, scenes[1].image)
    assert torch.equal(again[1].bboxes, scenes[1].bboxes)


@pytest.mark.parametrize('share', [1.0, 0.5])
def test_area_of_ellipses(share):
    boxes = torch.tensor([[3.0, 5.0, 63.0, 45.0], [20.0, 0.0, 90.0, 64.0]])
    drawn = torch.from_numpy(draw_ellipses(boxes, (64, 96), share)).float()
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1) * share**2
    # Up to the pixels on the border.
    torch.testing.assert_close(drawn.sum((1, 2)), torch.pi / 4 * area, rtol=0.03, atol=0)


@pytest.mark.parametrize(
    'options', [dict(batch_size=0), dict(size=(0, 9)), dict(num_objects=2, num_present=3)]
)
def test_bad_workloads_are_refused(options):
    with pytest.raises(ValueError):
        Workload(**options)
    with pytest.raises(ValueError, match='3 classes asked for, the model has 2'):
        list(make_scenes(Workload(), 2))
