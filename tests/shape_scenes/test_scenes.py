"""Scenes by index: determinism, geometry of boxes, masks and label maps, what is left out."""

import numpy as np
import pytest

from labelenc_mm.shape_scenes import CLASSES, PALETTE, ShapeScenes

SIZE = (96, 112)


@pytest.fixture(scope='module', params=['train', 'val'])
def scenes(request):
    dataset = ShapeScenes(SIZE, request.param, seed=3)
    return [dataset[index] for index in range(60)]


def test_a_scene_depends_on_its_index_only():
    first, second = ShapeScenes(SIZE, 'train', seed=1), ShapeScenes(SIZE, 'train', seed=1)
    first[4], first[2]
    for index in (7, 0):
        one, other = first[index], second[index]
        for name in ('image', 'label_map', 'boxes', 'labels', 'masks'):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    'other', [{'split': 'val', 'seed': 1}, {'split': 'train', 'seed': 2}], ids=['split', 'seed']
)
def test_split_and_seed_change_the_scene(other):
    assert (ShapeScenes(SIZE, 'train', 1)[0].image != ShapeScenes(SIZE, **other)[0].image).any()


def test_boxes_are_the_tight_extents_of_the_masks(scenes):
    for scene in scenes:
        assert scene.boxes.shape == (len(scene.masks), 4) and scene.boxes.dtype == np.float32
        for box, mask in zip(scene.boxes, scene.masks, strict=True):
            rows, columns = np.nonzero(mask)
            extent = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            np.testing.assert_array_equal(box, extent)


def test_the_label_map_is_the_disjoint_union_of_the_masks(scenes):
    for scene in scenes:
        expected = np.zeros(SIZE, np.uint8)
        for mask, label in zip(scene.masks, scene.labels, strict=True):
            expected[mask] = label + 1
        np.testing.assert_array_equal(scene.label_map, expected)
        assert scene.masks.sum(axis=0, dtype=int).max(initial=0) <= 1


def test_every_class_appears_in_both_splits_and_none_dominates(scenes):
    counts = np.bincount(np.concatenate([s.labels for s in scenes]), minlength=len(CLASSES))
    assert len(CLASSES) >= 6 and len(PALETTE) == len(CLASSES) == len(counts)
    assert counts.min() > 0.03 * counts.sum() and counts.max() < 0.3 * counts.sum()


def test_classes_go_with_scene_types(scenes):
    """Co-occurrence is real: most fish are in lakes, hardly a car is."""
    lakes = np.concatenate([s.labels for s in scenes if s.scene_type == 'lake'])
    others = np.concatenate([s.labels for s in scenes if s.scene_type != 'lake'])
    fish, car = CLASSES.index('fish'), CLASSES.index('car')
    assert (lakes == fish).mean() > 0.3 > 0.1 > (others == fish).mean()
    assert (lakes == car).mean() < 0.05 < (others == car).mean()


def test_small_and_large_objects_and_images_without_any():
    dataset = ShapeScenes(SIZE, 'train')
    scenes = [dataset[index] for index in range(200)]
    sides = np.concatenate([np.sqrt(s.masks.sum(axis=(1, 2))) for s in scenes if len(s.masks)])
    shares = sides / np.sqrt(SIZE[0] * SIZE[1])
    assert (shares < 0.1).mean() > 0.1 and (shares > 0.25).mean() > 0.1
    empty = [scene for scene in scenes if not len(scene.labels)]
    assert 0 < len(empty) < 0.1 * len(scenes)
    assert empty[0].masks.shape == (0, *SIZE) and empty[0].boxes.shape == (0, 4)


def test_objects_hide_one_another(scenes):
    """A hidden object's box holds pixels of objects in front of it: drawing order is real."""
    overlapping = 0
    for scene in scenes:
        for i, (x1, y1, x2, y2) in enumerate(scene.boxes.astype(int)):
            front = scene.masks[i + 1 :, y1:y2, x1:x2]
            overlapping += bool(front.any(axis=(1, 2)).any()) if len(front) else 0
    assert overlapping > len(scenes) / 2


def test_colours_tell_objects_from_background_apart_only_within_a_split():
    """A Bayes classifier of pixel colours, fitted on train, loses most of its edge on val."""

    def pixels(split, indices):
        dataset = ShapeScenes(SIZE, split)
        drawn = [dataset[index] for index in indices]
        colors = np.stack([s.image for s in drawn]).reshape(-1, 3) // 32
        return colors @ np.array([64, 8, 1]), np.stack([s.label_map for s in drawn]).ravel()

    cells, labels = pixels('train', range(120))
    table = np.full((512, len(CLASSES) + 1), 0.5)
    np.add.at(table, (cells, labels), 1)
    table /= table.sum(axis=0)

    def balanced_accuracy(cells, labels):
        right = table[cells].argmax(axis=1) == labels
        return np.mean([right[labels == label].mean() for label in range(len(CLASSES) + 1)])

    chance = 1 / (len(CLASSES) + 1)
    within = balanced_accuracy(*pixels('train', range(1000, 1060))) - chance
    across = balanced_accuracy(*pixels('val', range(60))) - chance
    assert within > 0.08, 'colour says nothing at all: useless for colorization'
    assert across < 0.6 * within


@pytest.mark.parametrize('size', [(33, 200), (200, 32), (300, 301)])
def test_any_size(size):
    scene = ShapeScenes(size, 'val')[1]
    assert scene.image.shape == (*size, 3) and scene.image.dtype == np.uint8
    assert scene.label_map.shape == size


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'size': (31, 64)}, 'at least 32'),
        ({'split': 'test'}, "'train', 'val'"),
        ({'seed': -1}, 'seed'),
    ],
)
def test_arguments_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ShapeScenes(**kwargs)


def test_a_negative_index_is_refused():
    with pytest.raises(IndexError):
        ShapeScenes()[-1]
