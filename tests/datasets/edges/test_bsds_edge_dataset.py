"""The data set of edges: annotators, votes, packing, and files that are not as they should be."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from edge_files import SIZE, write_edge_data
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

import labelenc_mm.datasets  # noqa: F401
from labelenc_mm.datasets.edges.annotations import (
    EdgeAnnotationError,
    read_annotators,
    write_annotators,
)
from labelenc_mm.engine.sample_error_hook import SampleError, name_samples

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadEdgeMap', keep_annotators=True)]
PACK = [dict(type='PackEdgeInputs')]


@pytest.fixture
def root(tmp_path):
    write_edge_data(tmp_path)
    return tmp_path


def build(root, steps=(*LOAD, *PACK), **options):
    init_default_scope('mmseg')
    config = dict(type='BSDSEdgeDataset', data_root=str(root), ann_file='test.txt')
    return DATASETS.build(dict(config, pipeline=list(steps)) | options)


def test_every_annotator_reaches_the_sample(tmp_path):
    maps = write_edge_data(tmp_path)
    for sample, (name, expected) in zip(build(tmp_path), maps.items()):
        data = sample['data_samples']
        assert Path(data.img_path).stem == name
        assert np.array_equal(data.gt_edge_annotators.data, expected)
        assert sample['inputs'].shape == (3, *SIZE)


@pytest.mark.parametrize('min_votes', [1, 2, 3])
def test_votes_become_edges_void_and_none(tmp_path, min_votes):
    maps = write_edge_data(tmp_path)
    load = [LOAD[0], dict(type='LoadEdgeMap', min_votes=min_votes)]
    for sample, drawn in zip(build(tmp_path, (*load, *PACK)), maps.values()):
        votes = np.sum(drawn, axis=0)
        labels = sample['data_samples'].gt_edge_map.data[0].numpy()
        assert (labels == 1).sum() == (votes >= min_votes).sum() > 0
        assert np.array_equal(labels == 1, votes >= min_votes)
        assert np.array_equal(labels == 0, votes == 0)
        assert np.array_equal(labels == 255, (votes > 0) & (votes < min_votes))
        assert 'gt_edge_annotators' not in sample['data_samples']


def test_stock_transforms_treat_the_map_as_the_image(root):
    steps = [
        LOAD[0],
        dict(type='LoadEdgeMap'),
        dict(type='RandomFlip', prob=1.0),
        dict(type='RandomCrop', crop_size=(40, 50)),
        *PACK,
    ]
    for sample in list(build(root, steps))[:2]:  # of which three annotators saw the middle
        labels = sample['data_samples'].gt_edge_map.data[0]
        assert labels.shape == sample['inputs'].shape[1:] == (40, 50)
        # The edge lies where the picture changes from bright to dark.
        (column,) = set(np.where((labels == 1).float().mean(0) > 0.9)[0])
        brightness = sample['inputs'].float().mean((0, 1))
        assert brightness[: column - 1].min() > 140 and brightness[column + 1 :].max() < 110


def test_lists_follow_each_other(root):
    (root / 'val.txt').write_text('2\n1\n')
    dataset = build(root, ann_file=['val.txt', 'train.txt'])
    assert [Path(each['img_path']).stem for each in dataset.load_data_list()] == list('21012')
    assert [each['num_annotators'] for each in dataset.load_data_list()] == [3, 5, 4, 5, 3]


@pytest.mark.parametrize('annotators_file', [None, 'nowhere.json'])
def test_without_their_number_the_last_who_marks_counts(root, annotators_file):
    dataset = build(root, annotators_file=annotators_file)
    assert [len(each['data_samples'].gt_edge_annotators.data) for each in dataset] == [4, 5, 3]


def test_an_annotator_who_marks_nothing_counts(root):
    maps = np.zeros((4, *SIZE), bool)
    maps[0, 3] = True
    write_annotators(root / 'boundaries/0.png', list(maps))
    data = build(root)[0]['data_samples']
    assert data.gt_edge_annotators.data.any((1, 2)).tolist() == [True, False, False, False]
    assert not (data.gt_edge_map.data == 1).any()  # no pixel has three votes


@pytest.mark.parametrize('kind', ['16 bits', 'alpha', 'gray'])
def test_images_of_other_kinds_become_three_channels_of_8_bits(root, kind):
    rng = np.random.default_rng(0)
    picture = {
        '16 bits': rng.integers(0, 65536, (*SIZE, 3), np.uint16),
        'alpha': rng.integers(0, 256, (*SIZE, 4), np.uint8),
        'gray': rng.integers(0, 256, SIZE, np.uint8),
    }[kind]
    for index in range(3):
        cv2.imwrite(str(root / f'images/{index}.png'), picture)
    image = build(root, img_suffix='.png')[0]['inputs'].numpy()
    assert image.shape == (3, *SIZE) and image.dtype == np.uint8
    expected = (picture >> 8 if kind == '16 bits' else picture).astype(np.uint8)
    expected = expected[..., None] if kind == 'gray' else expected[..., :3]
    assert np.abs(image.transpose(1, 2, 0).astype(int) - expected).max() <= 1


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def save(mode):
    return lambda path: Image.new(mode, SIZE[::-1]).save(path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (Path.unlink, r'boundaries/1\.png cannot be read.*restore it'),
        (cut, r'boundaries/1\.png cannot be read.*restore it'),
        (lambda path: path.write_bytes(b''), r'boundaries/1\.png cannot be read'),
        (save('RGB'), r'boundaries/1\.png is a picture of mode RGB, expected one gray channel'),
        (save('LA'), r'boundaries/1\.png is a picture of mode LA'),
        (
            lambda path: write_annotators(path, [np.zeros((48, 60), bool)] * 5),
            r'1\.png: the edge map has .*\(48, 60\), its image .*1\.jpg has \(48, 64\)',
        ),
        (
            lambda path: write_annotators(path, [np.ones(SIZE, bool)] * 6),
            r'1\.png has marks of annotator 6, but annotators\.json says that there are 5',
        ),
    ],
)
def test_damaged_annotations_are_named(root, change, message):
    change(root / 'boundaries/1.png')
    dataset = build(root)
    with pytest.raises(EdgeAnnotationError, match=message):
        dataset[1]
    name_samples(dataset)  # as in a training
    with pytest.raises(SampleError, match=r"LoadEdgeMap failed .*1\.jpg.*EdgeAnnotationError"):
        dataset[1]


def test_a_damaged_image_is_named_in_a_training(root):
    (root / 'images/2.jpg').write_bytes(b'no picture')
    dataset = build(root)
    name_samples(dataset)
    with pytest.raises(SampleError, match=r'LoadImageFromFile failed .*2\.jpg'):
        dataset[2]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({}, r'does not say how many annotators .*0\.jpg has: it needs \{"0"'),
        ({'0': 4}, 'does not say how many annotators'),
        ({'0': {'annotators': 'some'}}, 'does not say how many annotators'),
        ({'0': {'annotators': 0}}, r'0\.jpg has 0 annotators: take it out'),
    ],
)
def test_wrong_numbers_of_annotators_are_named(root, content, message):
    (root / 'annotators.json').write_text(json.dumps(content))
    with pytest.raises(EdgeAnnotationError, match=message):
        build(root)


def test_marks_of_nobody_without_a_number_are_refused(root):
    write_annotators(root / 'boundaries/0.png', [np.zeros(SIZE, bool)])
    with pytest.raises(EdgeAnnotationError, match=r'0\.png is of no annotator'):
        build(root, annotators_file=None)[0]


def test_fewer_annotators_than_votes_are_refused(tmp_path):
    write_edge_data(tmp_path, numbers=(2,))
    with pytest.raises(EdgeAnnotationError, match='has 2 annotators, of whom .*min_votes=3 cannot'):
        build(tmp_path)[0]


def test_a_missing_list_is_named(root):
    with pytest.raises(FileNotFoundError, match=r'there is no list .*valid\.txt'):
        build(root, ann_file=['train.txt', 'valid.txt'])


def test_min_votes_must_be_positive(root):
    with pytest.raises(ValueError, match='min_votes=0 must be at least 1'):
        build(root, [LOAD[0], dict(type='LoadEdgeMap', min_votes=0)])


@pytest.mark.parametrize('number', [1, 8, 9, 16])
def test_what_is_written_is_read(tmp_path, number):
    maps = np.random.default_rng(0).random((number, 7, 9)) < 0.3
    write_annotators(tmp_path / '0.png', list(maps))
    assert np.array_equal(read_annotators(str(tmp_path / '0.png'), number), maps)


@pytest.mark.parametrize('sizes', [[], [(3, 4)] * 17, [(3, 4), (4, 3)]])
def test_what_no_file_can_hold_is_not_written(tmp_path, sizes):
    with pytest.raises(EdgeAnnotationError, match='expected 1 to 16 of one size'):
        write_annotators(tmp_path / '0.png', [np.zeros(size, bool) for size in sizes])
