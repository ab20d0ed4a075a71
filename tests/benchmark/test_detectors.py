"""Batches for detectors hold what a data loader gives."""

import pytest
import torch

pytest.importorskip('mmdet')

from labelenc_mm.benchmark import Workload
from labelenc_mm.benchmark.detectors import make_batch


def test_masks_are_the_ellipses_of_the_boxes():
    workload = Workload((64, 96), batch_size=2, num_objects=4, num_present=2)
    batch = make_batch(workload, 80, with_mask=True)
    assert len(batch['inputs']) == 2
    for sample in batch['data_samples']:
        instances = sample.gt_instances
        assert sorted(set(instances.labels.tolist())) == [0, 79] and len(instances) == 4
        masks = instances.masks.to_tensor(torch.float32, 'cpu')
        area = (instances.bboxes[:, 2:] - instances.bboxes[:, :2]).prod(1)
        # Up to the pixels on the border.
        torch.testing.assert_close(masks.sum((1, 2)), torch.pi / 4 * area, rtol=0.2, atol=10)
    again = make_batch(workload, 80, with_mask=False)
    assert torch.equal(again['inputs'][1], batch['inputs'][1])
    assert 'masks' not in again['data_samples'][0].gt_instances


def test_images_without_objects():
    batch = make_batch(Workload((32, 32), num_objects=0), 80, with_mask=True)
    assert len(batch['data_samples'][0].gt_instances) == 0
