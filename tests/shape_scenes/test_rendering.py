"""Coverage, visibility and painting of single sprites."""

import cv2
import numpy as np
import pytest

from labelenc_mm.shape_scenes import CLASSES
from labelenc_mm.shape_scenes.layouts import CLUTTER, Placement
from labelenc_mm.shape_scenes.materials import texture_bank
from labelenc_mm.shape_scenes.rendering import (
    MIN_VISIBLE,
    Sprite,
    paint_sprite,
    pose_sprite,
    select_visible,
)


def square(left, top, side, label=0):
    return Sprite(label, [], [], (left, top, left + side, top + side), np.ones((side, side), bool))


def test_the_sprite_in_front_takes_the_pixels():
    back, front = square(0, 0, 10), square(4, 4, 10, label=1)
    sprites, visible = select_visible([back, front], (20, 20))
    assert sprites == [back, front]
    assert visible[0].sum() == 100 - 36 and not visible[0][4:, 4:].any()
    assert visible[1].all()


@pytest.mark.parametrize(('hidden', 'stays'), [(6, True), (8, False)])
def test_objects_that_show_too_little_are_left_out(hidden, stays):
    back, front = square(0, 0, 10), square(10 - hidden, 0, 10, label=1)
    assert ((100 - 10 * hidden) / 100 >= MIN_VISIBLE) is stays
    sprites, _ = select_visible([back, front], (20, 20))
    assert (back in sprites) is stays


def test_clutter_hides_objects_and_is_never_left_out_for_showing_little():
    hidden, clutter, front = square(0, 0, 6), square(0, 0, 6, label=CLUTTER), square(1, 0, 6)
    sprites, _ = select_visible([hidden, clutter, front], (20, 20))
    assert [id(s) for s in sprites] == [id(clutter), id(front)]


def test_what_is_left_out_hides_nothing():
    # The middle one shows 20 of 100 pixels, so the one behind it keeps its place.
    behind, middle, front = square(0, 0, 10), square(0, 0, 10, label=1), square(2, 0, 10, label=2)
    behind = behind._replace(window=(0, 0, 4, 10), covered=np.ones((10, 4), bool))
    sprites, visible = select_visible([behind, middle, front], (20, 20))
    assert sprites == [behind, front]
    assert visible[0].sum() == 20


@pytest.mark.parametrize('label', range(len(CLASSES)), ids=CLASSES)
def test_the_mask_is_where_the_paint_is(label):
    """Painting changes the pixels of the coverage and besides them only a soft rim."""
    size = (96, 96)
    rng = np.random.default_rng(label)
    sprite = pose_sprite(Placement(label, 48, 80, 48), size, rng)
    assert sprite.covered.sum() > 60
    # Over black and over white: what lets nothing of either through is covered with paint.
    painted = []
    for ground in (0, 255):
        image = np.full((*size, 3), ground, np.uint8)
        paint_sprite(image, sprite, texture_bank('train', 0), 'train', np.random.default_rng(1))
        painted.append(image.astype(int))
    through = (painted[1] - painted[0]).mean(axis=-1) / 255

    covered = np.zeros(size, bool)
    left, top, right, bottom = sprite.window
    covered[top:bottom, left:right] = sprite.covered
    assert through[covered].mean() < 0.1 and (through[covered] < 0.62).mean() > 0.95
    near = cv2.dilate(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert through[~near].min() == 1
    rim = near & ~covered
    assert (through[rim] > 0.38).mean() > 0.95
    assert ((through > 0.1) & (through < 0.9)).any()  # edges are soft


def test_a_placement_outside_of_the_image_gives_no_sprite():
    assert pose_sprite(Placement(0, -500, 20, 30), (64, 64), np.random.default_rng(0)) is None
