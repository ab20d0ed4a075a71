"""Synthetic batches hold what was asked for."""

import pytest
import torch

pytest.importorskip('mmdet')

from labelenc_mm.benchmark import Workload, make_batch


def test_workload_is_drawn_as_asked():
    workload = Workload((64, 96), batch_size=2, num_objects=4, num_present=2)
    batch = make_batch(workload, 80, with_mask=True)
    assert len(batch['inputs']) == 2
    for image, sample in zip(batch['inputs'], batch['data_samples']):
        assert image.shape == (3, 64, 96) and image.dtype == torch.uint8
        instances = sample.gt_instances
        assert sorted(set(instances.labels.tolist())) == [0, 79] and len(instances) == 4
        boxes = instances.bboxes
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= torch.tensor([96, 64])).all()
        masks = instances.masks.to_tensor(torch.float32, 'cpu')
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        # Of an ellipse, up to the pixels on its border.
        torch.testing.assert_close(masks.sum((1, 2)), torch.pi / 4 * area, rtol=0.2, atol=10)
    again = make_batch(workload, 80, with_mask=False)
    assert torch.equal(again['inputs'][1], batch['inputs'][1])


def test_images_without_objects():
    batch = make_batch(Workload((32, 32), num_objects=0), 80, with_mask=True)
    assert len(batch['data_samples'][0].gt_instances) == 0


@pytest.mark.parametrize(
    'options', [dict(batch_size=0), dict(size=(0, 9)), dict(num_objects=2, num_present=3)]
)
def test_bad_workloads_are_refused(options):
    with pytest.raises(ValueError):
        Workload(**options)
    with pytest.raises(ValueError, match='3 classes asked for, the model has 2'):
        make_batch(Workload(), 2, with_mask=False)
