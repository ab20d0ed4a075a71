"""Object maps against the plain form of the released formula (LabelEnc, sec. 3.4)."""

import warnings

import pytest
import torch
from devices import DEVICES

from labelenc_mm.labels import draw_object_maps, sample_object_scales


def plain_object_maps(bboxes, labels, size, num_classes, masks=None, scales=None, pixel_offset=0.5):
    """Every object over the whole image, on all channels: the formula as the paper words it."""
    height, width = size
    output = torch.zeros(num_classes, height, width)
    y = (torch.arange(height, dtype=torch.float32) + pixel_offset)[:, None].expand(size)
    x = (torch.arange(width, dtype=torch.float32) + pixel_offset)[None].expand(size)
    for i, (x0, y0, x1, y1) in enumerate(bboxes):
        distance_x = (x - (x0 + x1) / 2).abs() / (x1 - x0)
        distance_y = (y - (y0 + y1) / 2).abs() / (y1 - y0)
        value = 1 - torch.max(distance_x, distance_y)
        value = value * (value >= 0.5).float()
        if scales is not None:
            value = value * scales[i]
        if masks is not None:
            full = torch.zeros(size)
            full[: masks.shape[1], : masks.shape[2]] = masks[i].float()
            value = value * full
        output[labels[i]] = torch.max(output[labels[i]], value)
    return output


def random_objects(num, size, num_classes, seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(num, 2, 2, generator=generator) * torch.tensor([size[1], size[0]])
    boxes = torch.cat([corners.amin(1), corners.amax(1) + 0.3], dim=1)
    labels = torch.randint(num_classes, (num,), generator=generator)
    return boxes, labels


def dense(classes, maps, num_classes, size):
    output = torch.zeros(num_classes, *size)
    output[classes] = maps
    return output


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('pixel_offset', [0.0, 0.5])
@pytest.mark.parametrize('seed', range(5))
def test_bitwise_equal_to_the_plain_formula(pixel_offset, seed, device):
    size, num_classes = (67, 91), 5
    boxes, labels = random_objects(9, size, num_classes, seed)
    # Beyond the border on each side, thinner than a pixel, and on integer coordinates.
    special = [[-20.0, -7.5, 30, 40], [60, 30, 140, 90], [10.2, 5, 10.6, 50], [8, 8, 24, 32]]
    boxes = torch.cat([boxes, torch.tensor(special)])
    labels = torch.cat([labels, torch.tensor([0, 1, 2, 0])])
    scales = sample_object_scales(len(boxes), generator=torch.Generator().manual_seed(seed))
    for factors in (None, scales):
        classes, maps = draw_object_maps(
            boxes.to(device), labels.to(device), size, scales=factors, pixel_offset=pixel_offset
        )
        assert classes.device.type == maps.device.type == device
        expected = plain_object_maps(
            boxes, labels, size, num_classes, scales=factors, pixel_offset=pixel_offset
        )
        assert torch.equal(dense(classes.cpu(), maps.cpu(), num_classes, size), expected)
        assert classes.tolist() == sorted(set(labels.tolist()))


@pytest.mark.parametrize('device', DEVICES)
def test_masks_cut_the_ramp_and_stay_at_the_top_left(device):
    size = (40, 60)
    boxes, labels = random_objects(4, (30, 50), 3, seed=1)
    masks = torch.rand(4, 30, 50) > 0.4  # the unpadded image
    on_device = (tensor.to(device) for tensor in (boxes, labels))
    classes, maps = draw_object_maps(*on_device, size, masks=masks.to(device))
    expected = plain_object_maps(boxes, labels, size, 3, masks=masks)
    assert torch.equal(dense(classes.cpu(), maps.cpu(), 3, size), expected)


def test_values_at_centre_and_border():
    classes, maps = draw_object_maps(
        torch.tensor([[2.0, 4.0, 11.0, 9.0]]), torch.tensor([7]), (16, 16), pixel_offset=0.5
    )
    assert classes.tolist() == [7]
    assert maps[0, 6, 6] == 1  # pixel centre (6.5, 6.5) is the centre of the box
    # Four of nine pixels from the centre horizontally, the last pixel centre inside the box.
    assert maps[0, 6, 10] == pytest.approx(1 - 4 / 9)
    assert maps[0, 6, 11] == 0 and maps[0, 3, 6] == 0


def test_overlap_keeps_the_larger_value():
    box = torch.tensor([[0.0, 0.0, 20.0, 20.0], [5.0, 5.0, 15.0, 15.0]])
    _, both = draw_object_maps(box, torch.tensor([0, 0]), (20, 20))
    _, apart = draw_object_maps(box, torch.tensor([0, 1]), (20, 20))
    assert torch.equal(both[0], apart.amax(0))


@pytest.mark.parametrize(
    'box',
    [
        [10.0, 10, 10, 20],
        [10.0, 10, 20, 10],
        [20.0, 10, 10, 20],
        [float('nan'), 0, 5, 5],
        [0.0, 0, float('inf'), 5],
        [-30.0, 0, -2, 20],
        [40.5, 0, 60, 20],
        [0.0, 33, 20, 40],
    ],
)
def test_undrawable_boxes_draw_nothing(box):
    good = [4.0, 4.0, 12.0, 20.0]
    classes, maps = draw_object_maps(
        torch.tensor([box, good]), torch.tensor([3, 5]), (32, 40), scales=torch.ones(2)
    )
    _, alone = draw_object_maps(torch.tensor([good]), torch.tensor([5]), (32, 40))
    assert classes.tolist() == [5]
    assert torch.equal(maps, alone)


def test_no_objects():
    classes, maps = draw_object_maps(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), (8, 9))
    assert classes.shape == (0,) and classes.dtype == torch.int64
    assert maps.shape == (0, 8, 9) and maps.dtype == torch.float32


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(bboxes=torch.zeros(2, 5)), 'bboxes'),
        (dict(labels=torch.zeros(3, dtype=torch.long)), 'labels'),
        (dict(scales=torch.ones(1)), 'scales'),
        (dict(masks=torch.ones(2, 9, 8)), 'masks'),
    ],
)
def test_shapes_are_checked(arguments, message):
    inputs = dict(bboxes=torch.zeros(2, 4), labels=torch.zeros(2, dtype=torch.long), size=(8, 8))
    with pytest.raises(ValueError, match=message):
        draw_object_maps(**{**inputs, **arguments})


@pytest.mark.parametrize('label', [-1, 3])
def test_labels_out_of_range_are_refused(label):
    with pytest.raises(ValueError, match=f'label {label}, but there are 3 classes'):
        draw_object_maps(
            torch.tensor([[1.0, 1, 5, 5]]), torch.tensor([label]), (8, 8), num_classes=3
        )


def test_label_scales_follow_the_released_distribution():
    scales = sample_object_scales(20000, generator=torch.Generator().manual_seed(0))
    assert (scales == 1).float().mean() == pytest.approx(0.5, abs=0.02)
    assert scales.mean() == pytest.approx(0.75, abs=0.01)  # E[min(1, 2U)]
    assert scales.min() >= 0


@pytest.mark.gpu
def test_drawing_waits_for_the_gpu_as_often_for_many_objects_as_for_few():
    waits = []
    for num_objects in (2, 40):
        boxes, labels = random_objects(num_objects, (200, 300), 6, seed=3)
        on_gpu = boxes.cuda(), labels.cuda()
        torch.cuda.set_sync_debug_mode('warn')
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter('always')
                draw_object_maps(*on_gpu, (200, 300))
        finally:
            torch.cuda.set_sync_debug_mode('default')
        waits.append(len(caught))
    assert waits[0] == waits[1] > 0


def test_label_scales_can_be_compiled():
    scales = torch.compile(sample_object_scales, backend='eager', fullgraph=True)(7)
    assert scales.shape == (7,) and 0 <= scales.min() <= scales.max() <= 1
