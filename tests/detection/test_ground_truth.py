"""Ground truth that a pipeline loads in coordinates of the original image, told and scaled.

That label maps are then the same as without, tests/detection/test_reconstruction_loop.py shows.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import RandomResize
from mmdet.datasets.transforms import LoadAnnotations, Pad, Resize
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.dataset import Compose
from mmengine.structures import InstanceData

from labelenc_mm.detection.ground_truth import (
    loads_boxes_after_resize,
    missing_annotations,
    scaled_to_input,
    unpadded_size,
)

LOAD, RESIZE = LoadAnnotations(with_bbox=True), Resize(scale=(9, 9))
RANDOM = RandomResize(scale=[(9, 9), (8, 8)], resize_type='mmdet.Resize')


@pytest.mark.parametrize(
    ('transforms', 'after'),
    [
        ([RESIZE, LOAD], True),
        ([RANDOM, Pad(size=(9, 9)), LOAD], True),
        ([LOAD, RESIZE], False),
        ([LOAD], False),
        ([RESIZE], False),
    ],
)
def test_the_order_of_loading_and_resizing_is_told(transforms, after):
    """Behind wrappers, too, some of which have no pipeline."""
    dataset = SimpleNamespace(pipeline=Compose(transforms))
    wrapped = SimpleNamespace(dataset=SimpleNamespace(datasets=[SimpleNamespace(), dataset]))
    assert loads_boxes_after_resize(dataset) == loads_boxes_after_resize(wrapped) == after


def sample_of(bboxes, **metainfo):
    sample = DetDataSample(metainfo=metainfo)
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(bboxes), labels=torch.arange(len(bboxes))
    )
    return sample


def test_boxes_and_masks_are_scaled_and_the_sample_stays_as_it_is():
    """By each side's own factor, to the image without its padding, beyond which no box goes."""
    boxes = [[2.0, 4, 6, 8], [-3, 5, 90, 60]]
    metainfo = dict(ori_shape=(50, 80), img_shape=(128, 128), scale_factor=(1.5, 2.0))
    sample = sample_of(boxes, **metainfo)
    pixels = np.zeros((2, 50, 80), np.uint8)
    pixels[0, 10:20, 20:40] = 1
    sample.gt_instances.masks = BitmapMasks(pixels, 50, 80)
    scaled = scaled_to_input(sample)
    assert scaled.gt_instances.bboxes.tolist() == [[3, 8, 9, 16], [0, 10, 120, 100]]
    assert scaled.gt_instances.masks.masks.shape == (2, 100, 120)
    assert scaled.gt_instances.masks.masks[0, 20:40, 30:60].all()
    assert scaled.gt_instances.masks.masks.sum() == 20 * 30
    assert scaled.gt_instances.labels.tolist() == [0, 1] and scaled.metainfo == sample.metainfo
    assert sample.gt_instances.bboxes.tolist() == boxes
    assert sample.gt_instances.masks.masks.shape == (2, 50, 80)


def test_what_a_sample_lacks_is_named_by_what_is_drawn():
    samples = [sample_of([[0.0, 0, 1, 1]]) for _ in range(2)]
    assert missing_annotations(samples, 'box') == []
    assert missing_annotations(samples, 'mask') == ['masks']
    samples[1].gt_instances = InstanceData(labels=torch.tensor([0]))
    assert missing_annotations(samples, 'box') == ['bboxes']
    assert missing_annotations(samples, 'mask') == ['bboxes', 'masks']


def test_size_of_an_image_does_not_count_padding_of_the_pipeline():
    sample = DetDataSample(metainfo=dict(ori_shape=(50, 80), img_shape=(128, 128)))
    assert unpadded_size(sample) == (50, 80)  # no resize, no factor
    sample.set_metainfo(dict(scale_factor=(1.5, 2.0)))  # width, height
    assert unpadded_size(sample) == (100, 120)
