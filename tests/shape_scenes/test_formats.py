"""COCO annotations and label PNGs against pycocotools and Pillow."""

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from labelenc_mm.labels import VOID
from labelenc_mm.shape_scenes import PALETTE, ShapeScenes
from labelenc_mm.shape_scenes.formats import (
    add_void_contour,
    run_lengths,
    to_coco,
    write_label_png,
)


@pytest.mark.parametrize('fill', ['random', 'ones', 'zeros', 'corner'])
def test_run_lengths_are_those_of_pycocotools(fill):
    mask = np.random.default_rng(0).random((7, 5)) < 0.5
    if fill != 'random':
        mask[:] = fill == 'ones'
        mask[0, 0] |= fill == 'corner'
    encoded = coco_mask.frPyObjects({'counts': run_lengths(mask), 'size': [7, 5]}, 7, 5)
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encoded['counts'] == expected['counts']
    np.testing.assert_array_equal(coco_mask.decode(encoded), mask)


def test_annotations_hold_the_scene():
    scene = ShapeScenes((64, 80), 'val')[2]
    annotations = to_coco(scene)
    assert len(annotations) == len(scene.labels) > 0
    for item, mask, label in zip(annotations, scene.masks, scene.labels, strict=True):
        rle = coco_mask.frPyObjects(item['segmentation'], 64, 80)
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)
        np.testing.assert_array_equal(coco_mask.toBbox(rle), item['bbox'])
        assert coco_mask.area(rle) == item['area']
        assert item['category_id'] == label + 1 and item['iscrowd'] == 0


@pytest.mark.parametrize('width', [1, 2, 5])
def test_the_void_contour_is_a_band_of_its_width_on_both_sides(width):
    masks = np.zeros((2, 40, 60), bool)
    masks[0, 10:30, 10:30] = True
    masks[1, 10:30, 30:50] = True  # touches the first: their common outline is void too
    label_map = np.where(masks.any(axis=0), 3, 0).astype(np.uint8)
    void = add_void_contour(label_map, masks, width) == VOID
    row = np.flatnonzero(void[20])
    assert len(row) == 3 * width
    for edge in (10, 30, 50):
        near = row[np.abs(row - edge) <= width]
        assert abs((near + 0.5).mean() - edge) <= 0.5
    assert not void[:5].any() and not void[20, 18:22].any()


def test_label_pngs_hold_labels_as_palette_indices(tmp_path):
    label_map = np.zeros((4, 6), np.uint8)
    label_map[1, :] = [0, 1, 2, 7, 8, VOID]
    write_label_png(tmp_path / 'a.png', label_map)
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.mode == 'P'
        np.testing.assert_array_equal(np.array(picture), label_map)
        assert picture.convert('RGB').getpixel((2, 1)) == tuple(PALETTE[1])
    assert cv2.imread(str(tmp_path / 'a.png')).shape == (4, 6, 3)
