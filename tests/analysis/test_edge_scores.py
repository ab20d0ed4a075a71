"""Scores of people, of folders of edge maps, and their plot."""

import cv2
import numpy as np
import pytest
from edge_files import SIZE, write_edge_data

from labelenc_mm.analysis.edge_scores import (
    annotated_images,
    count_folder,
    count_people,
    draw_curves,
    read_edge_map,
)
from labelenc_mm.datasets.edges.annotations import write_annotators
from labelenc_mm.evaluation.edges.counts import BoundaryCounts, count_image, thresholds
from labelenc_mm.evaluation.edges.kept_counts import Counter
from labelenc_mm.evaluation.edges.scores import add_up


def write_people(root, *rows):
    """An image whose annotators each drew some whole rows."""
    write_edge_data(root, numbers=(len(rows),))
    maps = np.zeros((len(rows), *SIZE), bool)
    for each, drawn in zip(maps, rows):
        each[list(drawn)] = True
    write_annotators(root / 'boundaries/0.png', list(maps))
    return annotated_images(str(root), 'test')


def test_each_person_is_compared_with_all_others(tmp_path):
    """Rows of 64 pixels. The first and the second agree on row 10; the third drew what nobody else did."""
    images = write_people(tmp_path, [10], [10, 30], [40])
    total = add_up(count_people(images, 0.0075))
    # As a detector each finds what the other two drew: 1 of 3 rows, 1 of 2, none of 3.
    assert total.found.tolist() == [2 * 64]
    assert total.annotated.tolist() == [(3 + 2 + 3) * 64]
    assert total.right.tolist() == [2 * 64]
    assert total.predicted.tolist() == [(1 + 2 + 1) * 64]


def test_a_person_alone_is_compared_with_nobody(tmp_path):
    with pytest.raises(ValueError, match='no image has two annotators'):
        count_people(write_people(tmp_path, [10]), 0.0075)


def test_a_folder_scores_as_its_maps(tmp_path):
    maps = write_edge_data(tmp_path)
    rng = np.random.default_rng(0)
    values, expected = thresholds(5), []
    (tmp_path / 'maps').mkdir()
    for name, human in maps.items():
        levels = (255 * cv2.GaussianBlur(human[0].astype(np.float32), (0, 0), 1)).astype(np.uint8)
        levels[rng.random(SIZE) < 0.05] = 200
        cv2.imwrite(str(tmp_path / f'maps/{name}.png'), levels)
        expected.append(count_image(levels / np.float32(255), human, values))
    images = annotated_images(str(tmp_path), 'test')
    found = count_folder(tmp_path / 'maps', images, Counter(values, 0.0075))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ('picture', 'message'),
    [
        (None, r'0\.png cannot be read'),
        (
            np.zeros((*SIZE, 3), np.uint8),
            r'0\.png is a picture of mode RGB, expected 8 bits of gray',
        ),
        (np.zeros(SIZE, np.uint16), 'expected 8 bits of gray'),
        (
            np.zeros((48, 60), np.uint8),
            r'\(48, 60\), its image has \(48, 64\): predict at the size',
        ),
    ],
)
def test_wrong_maps_are_named(tmp_path, picture, message):
    path = tmp_path / '0.png'
    if picture is None:
        path.write_bytes(b'no picture')
    else:
        cv2.imwrite(str(path), picture)
    with pytest.raises(ValueError, match=message):
        read_edge_map(path, SIZE)


def test_plot_has_the_curve_the_people_and_lines_of_equal_f():
    one = BoundaryCounts(*np.array([[80, 100, 60, 100], [50, 100, 50, 60], [0, 100, 0, 0]]).T)
    people = BoundaryCounts(*np.array([[7, 10, 9, 10]]).T)
    (axes,) = draw_curves({'ours': one}, people).axes
    *lines, curve, point = axes.get_lines()
    for line in lines:
        recall, precision = line.get_data()
        f = 2 * precision * recall / (precision + recall)
        np.testing.assert_allclose(f, f[0])
        assert precision.max() == pytest.approx(1) and recall.max() == pytest.approx(1)
    # Where nothing is predicted there is no precision.
    np.testing.assert_allclose(curve.get_data(), [[0.8, 0.5], [0.6, 5 / 6]])
    np.testing.assert_allclose(np.ravel(point.get_data()), [0.7, 0.9])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    share = np.linspace(0, 1, 100)
    r, p = 0.8 - 0.3 * share, 0.6 + (5 / 6 - 0.6) * share
    best = (2 * p * r / (p + r)).max()  # as ODS has it
    assert labels == [f'ours (F {best:.3f})', 'people (F 0.787)']
