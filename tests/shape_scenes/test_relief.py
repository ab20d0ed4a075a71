"""Relief of shape scenes: normals of known domes, the light, and that the rest of a scene stays as it was."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from labelenc_mm.shape_scenes import ShapeScenes, write_shape_scenes
from labelenc_mm.shape_scenes.formats import object_edges
from labelenc_mm.shape_scenes.relief import BULGE, LIGHT, dome_normals, shade

SIZE = (64, 80)
FIELDS = ('label_map', 'boxes', 'labels', 'masks')
VERSION_1 = 'ddaac2fde79cccbd08773564c49b0af4c56336dbfff807e993eb3e80ab5b6fa4'


def disc(radius, side=81):
    y, x = np.mgrid[:side, :side] - side // 2
    return np.hypot(x, y) < radius, x, y


def test_pictures_of_version_1_are_equal_bit_for_bit():
    digest = hashlib.sha256()
    for split in ('train', 'val'):
        for index in range(4):
            digest.update(ShapeScenes(SIZE, split, 5)[index].image.tobytes())
    assert digest.hexdigest() == VERSION_1


def test_relief_changes_the_light_on_things_and_nothing_else():
    changed = 0
    for index in range(6):
        flat, raised = (ShapeScenes(SIZE, relief=relief)[index] for relief in (False, True))
        assert flat.normals is None and raised.normals.shape == (*SIZE, 3)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(flat, field), getattr(raised, field))
        ground = (raised.normals == (0, 0, 1)).all(axis=2)
        # Rounding down a product may cost one gray level.
        assert np.abs(flat.image[ground].astype(int) - raised.image[ground]).max(initial=0) <= 1
        changed += (flat.image != raised.image)[raised.masks.any(axis=0)].sum()
        np.testing.assert_allclose(np.linalg.norm(raised.normals, axis=2), 1, atol=1e-5)
    assert changed > 1000


def test_dome_over_a_disc_is_a_flattened_ball():
    mask, x, y = disc(30)
    normals = dome_normals(mask)
    distance = np.hypot(x, y)
    # z = b sqrt(R^2 - r^2) has the slope -b r / sqrt(R^2 - r^2) along r; y points up.
    inner = (distance < 24) & (distance > 3)
    slope = BULGE * distance / np.sqrt(np.maximum(30**2 - distance**2, 1))
    expected = np.stack([slope * x / np.maximum(distance, 1), -slope * y / np.maximum(distance, 1)])
    expected = np.concatenate([expected, np.ones((1, *x.shape))])
    expected /= np.linalg.norm(expected, axis=0)
    cosine = (np.moveaxis(expected, 0, 2) * normals).sum(2)
    degrees = np.rad2deg(np.arccos(cosine[inner].clip(-1, 1)))
    assert degrees.mean() < 4 and degrees.max() < 12  # the rim is one of pixels


def test_what_faces_the_light_is_bright_and_flat_ground_stays():
    mask, _, _ = disc(30)
    picture = shade(np.full((81, 81, 3), 120, np.uint8), dome_normals(mask))
    assert (picture[0] == picture[0, 0]).all() and abs(int(picture[0, 0, 0]) - 120) <= 1
    upper_left, lower_right = picture[25, 25, 0], picture[55, 55, 0]
    assert LIGHT[0] < 0 < LIGHT[1] and upper_left > 130 > 100 > lower_right


def test_edges_are_the_rims_of_objects_one_pixel_wide():
    masks = np.zeros((2, 7, 9), bool)
    masks[0, 1:6, 1:5] = True
    masks[1, 2:5, 5:9] = True  # the nearer one, up to the border of the picture
    expected = np.array(
        [
            '.........',
            '.####....',
            '.#...####',
            '.#...#...',
            '.#...####',
            '.####....',
            '.........',
        ]
    )
    found = [''.join('.#'[int(e)] for e in row) for row in object_edges(masks)]
    assert found == expected.tolist()


def test_edges_of_a_scene_without_objects_are_none():
    assert not object_edges(np.zeros((0, 5, 6), bool)).any()


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('relief') / 'scenes'
    return write_shape_scenes(root, 3, 2, SIZE, relief=True, progress=False)


def test_files_are_those_that_our_data_sets_read(written):
    pytest.importorskip('mmseg')
    from mmengine.registry import init_default_scope

    from labelenc_mm.datasets import BSDSEdgeDataset, NYUNormalDataset

    init_default_scope('mmseg')
    scenes = ShapeScenes(SIZE, 'val', relief=True)
    common = dict(data_root=str(written), img_suffix='.png', test_mode=True)
    normals = NYUNormalDataset(
        data_prefix=dict(img_path='images/val', normal_map_path='normals/val'),
        pipeline=[dict(type=t) for t in ('LoadImageFromFile', 'LoadNormals', 'PackNormals')],
        **common,
    )
    load = dict(type='LoadEdgeMap', min_votes=1)
    edges = BSDSEdgeDataset(
        data_prefix=dict(img_path='images/val', seg_map_path='boundaries/val'),
        pipeline=[dict(type='LoadImageFromFile'), load, dict(type='PackEdgeInputs')],
        **common,
    )
    assert len(normals) == len(edges) == 2
    for index in range(2):
        scene = scenes[index]
        np.testing.assert_array_equal(
            normals[index]['inputs'].numpy().transpose(1, 2, 0), scene.image
        )
        read = normals[index]['data_samples'].gt_normals.data.numpy().transpose(1, 2, 0)
        np.testing.assert_allclose(read, scene.normals, atol=0.01)
        found = edges[index]['data_samples'].gt_edge_map.data[0].numpy()
        np.testing.assert_array_equal(found, object_edges(scene.masks))


def test_folder_without_relief_is_not_taken_for_one_with_it(written, tmp_path):
    with pytest.raises(FileExistsError, match='relief is True, asked for None'):
        write_shape_scenes(written, 3, 2, SIZE, progress=False)
    plain = write_shape_scenes(tmp_path / 'plain', 1, 1, SIZE, progress=False)
    assert sorted(each.name for each in plain.iterdir() if each.is_dir()) == [
        'annotations',
        'images',
        'labels',
    ]
    assert 'relief' not in json.loads((plain / 'shape_scenes.json').read_text())
    with pytest.raises(FileExistsError, match='relief is None, asked for True'):
        write_shape_scenes(plain, 1, 1, SIZE, relief=True, progress=False)
    assert write_shape_scenes(written, 3, 2, SIZE, relief=True, progress=False) == written
    picture = next((written / 'boundaries' / 'train').glob('*.png'))
    assert cv2.imread(str(picture), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    picture.unlink()
    with pytest.raises(FileExistsError, match='boundaries/train holds 2 files'):
        write_shape_scenes(written, 3, 2, SIZE, relief=True, progress=False)
