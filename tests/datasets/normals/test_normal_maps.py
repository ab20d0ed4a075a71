"""Files of surface normals: encodings, and what is refused with the file's name."""

import cv2
import numpy as np
import pytest
from normal_files import encoded, random_normals, write_rgb

from labelenc_mm.datasets.normals.normal_maps import NormalMapError, read_normals

SIZE = (12, 17)
VECTORS = random_normals(SIZE)


def check(found, tolerance):
    known = VECTORS.any(axis=2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.any(axis=2), known)
    np.testing.assert_allclose(np.linalg.norm(found[known], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, VECTORS, atol=tolerance)


def test_colours_are_components_and_black_is_none(tmp_path):
    check(read_normals(write_rgb(tmp_path / 'a.png', encoded(VECTORS))), 0.01)


@pytest.mark.parametrize('signs', [(1, -1, 1), (-1, 1, -1)])
def test_signs_turn_components(tmp_path, signs):
    path = write_rgb(tmp_path / 'a.png', encoded(VECTORS * signs))
    check(read_normals(path, signs=signs), 0.01)


def test_sixteen_bits_arrays_and_other_scales(tmp_path):
    known = VECTORS.any(axis=2, keepdims=True)
    fine = np.where(known, np.round(32768 + 32767 * VECTORS), 0).astype(np.uint16)
    check(read_normals(write_rgb(tmp_path / 'a.png', fine), dtype='uint16'), 1e-4)
    np.save(tmp_path / 'a.npy', VECTORS.astype(np.float32))
    check(read_normals(str(tmp_path / 'a.npy'), dtype='float32'), 1e-6)
    full = np.where(known, np.round(127.5 + 127.5 * VECTORS), 0).astype(np.uint8)
    path = write_rgb(tmp_path / 'b.png', full)
    check(read_normals(path, zero=127.5, scale=127.5), 0.01)


@pytest.mark.parametrize('value', [0, 128])
def test_map_of_no_normals_is_all_zero(tmp_path, value):
    path = write_rgb(tmp_path / 'a.png', np.full((*SIZE, 3), value, np.uint8))
    assert not read_normals(path).any()


def _gray(path):
    cv2.imwrite(path, np.full(SIZE, 200, np.uint8))


def _alpha(path):
    cv2.imwrite(path, np.full((*SIZE, 4), 200, np.uint8))


def _sixteen(path):
    cv2.imwrite(path, np.full((*SIZE, 3), 50000, np.uint16))


def _cut(path):
    cv2.imwrite(path, encoded(VECTORS))
    with open(path, 'r+b') as file:
        file.truncate(60)


def _text(path):
    with open(path, 'w') as file:
        file.write('no picture')


def _missing(path):
    pass


def _empty(path):
    open(path, 'w').close()


@pytest.mark.parametrize(
    ('write', 'message'),
    [
        (_gray, 'uint8 values of shape'),
        (_alpha, 'without gray or alpha'),
        (_sixteen, 'set the dtype'),
        (_cut, 'damaged'),
        (_text, 'damaged'),
        (_empty, 'read'),
        (_missing, 'cannot be read'),
    ],
)
def test_what_is_no_such_map_is_named(tmp_path, write, message):
    path = str(tmp_path / 'a.png')
    write(path)
    with pytest.raises(NormalMapError, match=message) as error:
        read_normals(path)
    assert path in str(error.value)


@pytest.mark.parametrize(
    ('vectors', 'message'),
    [(VECTORS * 0.7, 'length of 0.7'), (VECTORS * 0.3, 'length of 0.3'), (-VECTORS, 'away from')],
)
def test_other_conventions_are_told_by_the_vectors(tmp_path, vectors, message):
    path = write_rgb(tmp_path / 'a.png', encoded(vectors))
    with pytest.raises(NormalMapError, match=message):
        read_normals(path)
