"""Ground truth that a pipeline loads in coordinates of the original image, told and scaled.

That object maps are then the same as without, tests/detection/test_reconstruction_loop.py shows.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import RandomResize
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Pad, RandomFlip, Resize
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.dataset import Compose
from mmengine.structures import InstanceData

from labelenc_mm.benchmark.plain_form import draw_plain_object_maps
from labelenc_mm.detection.ground_truth import (
    inclusive_boxes,
    loads_boxes_after_resize,
    missing_annotations,
    scaled_to_input,
    unpadded_size,
)
from labelenc_mm.labels import draw_object_maps

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


# (x, y, width, height) in an image 40 wide and 24 high: inside, up to and beyond two borders, beyond the
# others, and one pixel wide.
COCO_BOXES = [[3.0, 2, 17, 9], [30, 5, 10, 19], [35, 20, 30, 30], [-4, -3, 12, 9], [8, 8, 1, 5]]


def authors_boxes(scales, flips):
    """COCO_BOXES in the network input as the released code has them: inclusive ends, clipped, resized,
    mirrored, pixel x of a width W going to W - 1 - x."""
    (factor_x, factor_y), (width, height) = scales, (40, 24)
    boxes = []
    for x, y, w, h in COCO_BOXES:
        x1, x2 = (min(max(v, 0), width - 1) * factor_x for v in (x, x + w - 1))
        y1, y2 = (min(max(v, 0), height - 1) * factor_y for v in (y, y + h - 1))
        if flips[0]:
            x1, x2 = width * factor_x - 1 - x2, width * factor_x - 1 - x1
        if flips[1]:
            y1, y2 = height * factor_y - 1 - y2, height * factor_y - 1 - y1
        if x2 > x1 and y2 > y1:
            boxes.append([x1, y1, x2, y2])
    return torch.tensor(boxes)


def mmdet_sample(scales, direction):
    """The same boxes, which end behind their last pixel, through MMDetection's own transforms."""
    width, height = round(40 * scales[0]), round(24 * scales[1])
    instances = [
        dict(bbox=[x, y, x + w, y + h], bbox_label=i, ignore_flag=0)
        for i, (x, y, w, h) in enumerate(COCO_BOXES)
    ]
    pipeline = Compose([LOAD, Resize(scale=(width, height), keep_ratio=False)])
    if direction:
        pipeline.transforms.append(RandomFlip(prob=1.0, direction=direction))
    pipeline.transforms.append(PackDetInputs(meta_keys=('scale_factor', 'flip', 'flip_direction')))
    image = np.zeros((24, 40, 3), np.uint8)
    results = dict(img=image, img_shape=(24, 40), ori_shape=(24, 40), instances=instances)
    return pipeline(results)['data_samples'], (height, width)


@pytest.mark.parametrize('direction', [None, 'horizontal', 'vertical', 'diagonal'])
@pytest.mark.parametrize('scales', [(1.0, 1.0), (2.0, 2.0), (1.625, 1.25), (0.5, 0.75)])
def test_inclusive_boxes_are_drawn_as_the_released_code_draws(scales, direction):
    sample, size = mmdet_sample(scales, direction)
    bboxes, labels = sample.gt_instances.bboxes.tensor, sample.gt_instances.labels
    flips = [direction in (one, 'diagonal') for one in ('horizontal', 'vertical')]
    expected = authors_boxes(scales, flips)
    found = inclusive_boxes(bboxes, sample.metainfo)
    drawable = (found[:, 2:] > found[:, :2]).all(1)
    assert drawable.tolist() == [True] * 4 + [False]
    torch.testing.assert_close(found[drawable], expected)
    # Factors and boxes are exact in binary, and so are the maps.
    classes, maps = draw_object_maps(found, labels, size, pixel_offset=0.0)
    assert classes.tolist() == [0, 1, 2, 3]
    options = dict(pixel_offset=0.0, num_classes=4)
    _, plain = draw_plain_object_maps(expected, labels[drawable], size, **options)
    assert torch.equal(maps, plain) and maps.amax((1, 2)).min() > 0.6


def test_without_a_resize_inclusive_boxes_end_a_pixel_earlier():
    boxes = torch.tensor([[0, 0, 40, 24], [3, 2, 20, 11]])  # integers, too
    for metainfo in ({}, dict(scale_factor=np.ones(4), flip=False, flip_direction=None)):
        assert inclusive_boxes(boxes, metainfo).tolist() == [[0, 0, 39, 23], [3, 2, 19, 10]]
