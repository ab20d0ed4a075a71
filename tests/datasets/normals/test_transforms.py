"""Surface normals in a pipeline: loading, mirroring, resizing, cutting, packing."""

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS
from normal_files import encoded, random_normals, write_normals, write_rgb

from labelenc_mm.datasets import (
    LoadNormals,
    NormalMapError,
    NYUNormalDataset,
    PackNormals,
    RandomFlipNormals,
)

SIZE = (24, 37)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def sample(tmp_path, size=SIZE):
    write_rgb(tmp_path / 'a.png', encoded(random_normals(size)))
    photo = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    results = dict(img=photo, img_shape=SIZE, ori_shape=SIZE, img_path='a.jpg')
    return results | dict(normal_map_path=str(tmp_path / 'a.png'))


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_two_flips_give_the_original(tmp_path, direction):
    results = LoadNormals().transform(sample(tmp_path))
    before = {key: results[key].copy() for key in ('img', 'gt_normals')}
    flip = RandomFlipNormals(prob=1.0, direction=direction)
    once = flip.transform(results)
    assert (once['gt_normals'] != before['gt_normals']).any()
    twice = flip.transform(once)
    for key, value in before.items():
        np.testing.assert_array_equal(twice[key], value)


def test_flip_that_leaves_the_signs_is_refused_and_one_before_loading_is_not(tmp_path):
    stock = TRANSFORMS.build(dict(type='RandomFlip', prob=1.0))
    pack = PackNormals()
    wrong = stock.transform(LoadNormals().transform(sample(tmp_path)))
    with pytest.raises(ValueError, match=r'a\.png.*horizontal.*RandomFlipNormals'):
        pack.transform(wrong)
    augmented = pack.transform(LoadNormals().transform(stock.transform(sample(tmp_path))))
    assert augmented['data_samples'].flip  # the truth stays that of the photo
    for prob in (0.0, 1.0):
        right = RandomFlipNormals(prob=prob).transform(LoadNormals().transform(sample(tmp_path)))
        assert pack.transform(right)['data_samples'].flip == bool(prob)


def rendered(slope):
    """Height and normals of the plane z = a x + b y, x right, y up, seen from above."""
    x, y = np.meshgrid(np.arange(SIZE[1]), -np.arange(SIZE[0]))
    height = slope[0] * x + slope[1] * y
    normal = np.array([-slope[0], -slope[1], 1.0])
    return height, np.broadcast_to(normal / np.linalg.norm(normal), (*SIZE, 3))


@pytest.mark.parametrize(
    ('direction', 'mirrored'), [('horizontal', (-1, 1)), ('vertical', (1, -1))]
)
def test_flip_of_a_rendered_plane_is_the_plane_rendered_in_the_mirror(direction, mirrored):
    slope = np.array((0.4, -0.7))
    height, normals = rendered(slope)
    results = dict(img=height, img_shape=SIZE, gt_normals=normals, seg_fields=['gt_normals'])
    flipped = RandomFlipNormals(prob=1.0, direction=direction).transform(results)
    expected_height, expected = rendered(slope * mirrored)
    difference = flipped['img'] - expected_height  # the same plane, shifted
    np.testing.assert_allclose(difference, difference[0, 0], atol=1e-9)
    np.testing.assert_allclose(flipped['gt_normals'], expected, atol=1e-6)


def test_resizing_and_cutting_invent_no_vector(tmp_path):
    results = LoadNormals().transform(sample(tmp_path))
    known = {tuple(vector) for vector in results['gt_normals'].reshape(-1, 3).tolist()}
    for step in (
        dict(type='Resize', scale=(50, 29)),
        dict(type='Resize', scale_factor=0.4, keep_ratio=True),
        dict(type='RandomCrop', crop_size=(7, 9)),
    ):
        results = TRANSFORMS.build(step).transform(results)
        assert results['gt_normals'].shape[:2] == results['img'].shape[:2]
        found = {tuple(vector) for vector in results['gt_normals'].reshape(-1, 3).tolist()}
        assert found <= known
    assert results['gt_normals'].shape == (7, 9, 3)


def test_map_of_another_size_is_refused_by_name(tmp_path):
    with pytest.raises(NormalMapError, match=r'a\.png.*\(24, 36\).*a\.jpg.*\(24, 37\)'):
        LoadNormals().transform(sample(tmp_path, (24, 36)))


@pytest.mark.parametrize(
    'options', [dict(dtype='int'), dict(scale=-1), dict(signs=(1, 1)), dict(signs=(0, 1, 1))]
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        LoadNormals(**options)


def pipeline():
    return [dict(type=name) for name in ('LoadImageFromFile', 'LoadNormals', 'PackNormals')]


def test_data_set_pairs_photos_with_maps(tmp_path):
    write_normals(tmp_path)
    for options, count in ((dict(ann_file='test.txt'), 4), (dict(), 8)):
        data = NYUNormalDataset(
            data_root=str(tmp_path), pipeline=pipeline(), test_mode=True, **options
        )
        assert len(data) == count
        packed = data[0]
        number = packed['data_samples'].img_path.rpartition('/')[2].removesuffix('.jpg')
        colors = cv2.imread(str(tmp_path / 'normals' / f'{number}.png'))[..., ::-1]
        normals = packed['data_samples'].gt_normals.data
        assert normals.shape == (3, 72, 96) and packed['inputs'].shape == (3, 72, 96)
        np.testing.assert_allclose(
            np.round(128 + 127 * normals.numpy().transpose(1, 2, 0))[colors.any(axis=2)],
            colors[colors.any(axis=2)],
            atol=1,
        )


def test_missing_list_and_empty_folder_are_named(tmp_path):
    write_normals(tmp_path)
    with pytest.raises(NormalMapError, match=r'no list .*val\.txt'):
        NYUNormalDataset(data_root=str(tmp_path), ann_file='val.txt')
    with pytest.raises(NormalMapError, match=r'no photo \.bmp'):
        NYUNormalDataset(data_root=str(tmp_path), img_suffix='.bmp')


def test_photo_of_sixteen_bits_with_alpha_is_read_as_eight_bit_colours(tmp_path):
    write_normals(tmp_path, lists=['train.txt'], count=1)
    photo = np.full((72, 96, 4), 40000, np.uint16)
    cv2.imwrite(str(tmp_path / 'images' / '0.png'), photo)
    data = NYUNormalDataset(data_root=str(tmp_path), img_suffix='.png', pipeline=pipeline())
    inputs = data[0]['inputs']
    assert inputs.shape == (3, 72, 96) and inputs.unique().tolist() == [40000 // 256]
