"""HED's augmentation: turns without a border, and resizing that loses no edge."""

import math

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

import labelenc_mm.datasets  # noqa: F401
from labelenc_mm.datasets.edges.augmentation import largest_rectangle, resize_edge_map, turn

ANGLES = [2 * math.pi * k / 16 for k in range(16)]


def build(**config):
    init_default_scope('mmseg')
    return TRANSFORMS.build(config)


def results(size=(33, 52), labels=(0, 1, 255)):
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(0, 256, (*size, 3), np.uint8),
        gt_edge_map=rng.choice(np.array(labels, np.uint8), size),
        seg_fields=['gt_edge_map'],
        img_shape=size,
        ori_shape=size,
    )


@pytest.mark.parametrize('size', [(321, 481), (481, 321), (50, 50), (20, 90), (1, 1), (2, 7)])
@pytest.mark.parametrize('angle', ANGLES)
def test_largest_rectangle_lies_inside_and_no_larger_one_does(size, angle):
    height, width = size
    w, h = largest_rectangle(width, height, angle)
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))

    def fits(a, b):
        # The corners of an upright (a, b), seen from the turned rectangle.
        return a * cos + b * sin <= width * (1 + 1e-6) and a * sin + b * cos <= height * (1 + 1e-6)

    assert fits(w, h)
    for a in np.linspace(0, math.hypot(width, height), 1500)[1:]:
        limits = [width] if sin < 1e-9 else [(width - a * cos) / sin]
        limits += [height] if cos < 1e-9 else [(height - a * sin) / cos]
        if cos < 1e-9 or sin < 1e-9:
            continue
        assert a * max(min(limits), 0) <= w * h * (1 + 1e-3)


@pytest.mark.parametrize('angle', ANGLES)
@pytest.mark.parametrize('interpolation', [cv2.INTER_LINEAR, cv2.INTER_NEAREST])
def test_no_turned_image_has_a_border(angle, interpolation, monkeypatch):
    """Beyond the image there is 255, of which nothing may get in."""
    warp = cv2.warpAffine
    options = dict(borderMode=cv2.BORDER_CONSTANT, borderValue=255)
    monkeypatch.setattr(cv2, 'warpAffine', lambda *args, **kw: warp(*args, **(kw | options)))
    for size in ((61, 97), (97, 61), (40, 40)):
        turned = turn(np.full(size, 100, np.uint8), angle, interpolation)
        assert (turned == 100).all()


@pytest.mark.parametrize('quarter', range(4))
def test_quarter_turns_lose_nothing(quarter):
    image = results()['img']
    for interpolation in (cv2.INTER_LINEAR, cv2.INTER_NEAREST):
        turned = turn(image, quarter * math.pi / 2, interpolation)
        assert np.array_equal(turned, np.rot90(image, -quarter))


@pytest.mark.parametrize('angle', ANGLES)
def test_map_and_image_turn_together(angle):
    """A thick cross beside the middle is where it is drawn, in both."""
    image = np.zeros((90, 120), np.uint8)
    image[40:44, 20:100] = image[20:70, 66:70] = 255
    linear, nearest = (turn(image, angle, each) for each in (cv2.INTER_LINEAR, cv2.INTER_NEAREST))
    assert linear.shape == nearest.shape
    differs = (linear > 127) != (nearest > 127)
    assert not (differs & ((linear < 60) | (linear > 195))).any()


def test_every_angle_is_drawn_and_labels_stay_labels():
    transform = build(type='RandomTurn')
    np.random.seed(0)
    shapes = set()
    for _ in range(100):
        done = transform(results())
        assert done['img'].shape[:2] == done['gt_edge_map'].shape == done['img_shape']
        assert set(np.unique(done['gt_edge_map'])) <= {0, 1, 255}
        shapes.add(done['img_shape'])
    assert len(shapes) == 5  # of 0, 22.5, 45, 67.5 and 90 degrees; mirrored angles have the same size
    np.random.seed(0)
    assert len({transform.draw_angle() for _ in range(300)}) == 16


def test_one_angle_changes_nothing():
    before = results()
    done = build(type='RandomTurn', num_angles=1)(dict(before))
    assert done['img'] is before['img']


def plain_resize(edges, size):
    """Each pixel asks all large pixels that fall into it."""
    height, width = edges.shape
    small = np.zeros(size, np.uint8)
    for y in range(height):
        for x in range(width):
            # The last pixel whose first row or column is not behind.
            j = max(k for k in range(size[0]) if k * height // size[0] <= y)
            i = max(k for k in range(size[1]) if k * width // size[1] <= x)
            ranks = (0, 255, 1)
            small[j, i] = max(small[j, i], edges[y, x], key=ranks.index)
    return small


@pytest.mark.parametrize('size', [(16, 26), (17, 26), (8, 9), (1, 1), (33, 52)])
def test_the_strongest_label_of_each_square_stays(size):
    edges = results()['gt_edge_map']
    edges[np.random.default_rng(1).random(edges.shape) < 0.8] = 0
    assert np.array_equal(resize_edge_map(edges, size), plain_resize(edges, size))


def test_no_line_gets_lost_at_half_size():
    for place in range(10, 14):
        edges = np.zeros((30, 40), np.uint8)
        edges[:, place] = edges[place, :] = 1
        small = resize_edge_map(edges, (15, 20))
        assert small[:, place // 2].all() and small[place // 2, :].all() and small.sum() == 34


def test_enlarging_takes_the_nearest_pixel():
    edges = results()['gt_edge_map']
    assert np.array_equal(resize_edge_map(edges, (66, 104)), edges.repeat(2, 0).repeat(2, 1))


def test_both_scales_are_drawn_with_image_and_map_of_one_size():
    transform = build(type='ResizeWithEdges')
    np.random.seed(0)
    done = [transform(results()) for _ in range(20)]
    assert {each['img_shape'] for each in done} == {(33, 52), (16, 26)}
    for each in done:
        assert each['img'].shape[:2] == each['gt_edge_map'].shape == each['img_shape']
    whole = next(each for each in done if each['img_shape'] == (33, 52))
    assert np.array_equal(whole['img'], results()['img'])
    assert np.array_equal(whole['gt_edge_map'], results()['gt_edge_map'])


def test_a_tiny_image_keeps_a_pixel():
    done = build(type='ResizeWithEdges', scales=(0.1,))(results(size=(3, 4)))
    assert done['img_shape'] == done['gt_edge_map'].shape == (1, 1)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='RandomTurn', num_angles=0), 'num_angles=0 must be at least 1'),
        (dict(type='ResizeWithEdges', scales=()), 'must be positive factors'),
        (dict(type='ResizeWithEdges', scales=(0.5, 0)), 'must be positive factors'),
    ],
)
def test_wrong_options_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        build(**config)
