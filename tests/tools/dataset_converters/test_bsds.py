"""The .mat files of BSDS500 become PNGs whose bits are annotators."""

import json
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

scipy_io = pytest.importorskip('scipy.io')
TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'bsds.py'
main = runpy.run_path(str(TOOL))['main']
IMAGES = {'train': {'10': 4, '2': 5}, 'val': {'3': 16}, 'test': {'4': 1}}


def write_mat(path, maps):
    """As the release has them: a 1xK cell of structs."""
    cells = np.empty((1, len(maps)), object)
    for k, each in enumerate(maps):
        # Of regions nothing is read.
        cells[0, k] = dict(Segmentation=np.ones(each.shape, np.uint16), Boundaries=each)
    scipy_io.savemat(path, dict(groundTruth=cells))


@pytest.fixture
def source(tmp_path):
    root = tmp_path / 'data'
    rng = np.random.default_rng(0)
    for split, images in IMAGES.items():
        for folder in ('images', 'groundTruth'):
            (root / folder / split).mkdir(parents=True)
        for stem, number in images.items():
            cv2.imwrite(str(root / f'images/{split}/{stem}.jpg'), np.zeros((9, 13, 3), np.uint8))
            maps = rng.random((number, 9, 13)) < 0.2
            np.save(root / f'{stem}.npy', maps)
            write_mat(root / f'groundTruth/{split}/{stem}.mat', [m.astype(np.uint8) for m in maps])
    return root


def test_every_annotator_is_kept(source, tmp_path, capsys):
    out = tmp_path / 'bsds500'
    main([str(source), '--out', str(out)])
    assert 'train: 2 images, 9 maps' in capsys.readouterr().out
    assert (out / 'train.txt').read_text().split() == ['10', '2']
    numbers = json.loads((out / 'annotators.json').read_text())
    assert {name: each['annotators'] for name, each in numbers.items()} == {
        stem: number for images in IMAGES.values() for stem, number in images.items()
    }
    for stem, each in numbers.items():
        bits = cv2.imread(str(out / f'boundaries/{stem}.png'), cv2.IMREAD_UNCHANGED)
        assert bits.dtype == np.uint16
        for k, expected in enumerate(np.load(source / f'{stem}.npy')):
            assert np.array_equal(bits >> k & 1, expected)
    init_default_scope('mmseg')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadEdgeMap', keep_annotators=True),
        dict(type='PackEdgeInputs'),
    ]
    config = dict(type='BSDSEdgeDataset', data_root=str(out), ann_file='train.txt')
    sample = DATASETS.build(dict(config, pipeline=pipeline))[0]['data_samples']
    assert np.array_equal(sample.gt_edge_annotators.data, np.load(source / '10.npy'))


def another_size(path):
    write_mat(path, [np.zeros((9, 13), np.uint8), np.zeros((9, 12), np.uint8)])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (Path.unlink, r'2\.mat: no such file; expected the folder BSDS500/data'),
        (lambda path: path.write_bytes(b'MATLAB 5'), r'2\.mat: .*expected a cell array groundTruth'),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), r'2\.mat: .*groundTruth'),
        (lambda path: scipy_io.savemat(path, dict(a=1)), r'2\.mat: KeyError.*Boundaries'),
        (lambda path: write_mat(path, [np.zeros((9, 13))] * 17), '17 annotators .*expected 1 to 16'),
        (another_size, r'2\.mat: 2 annotators with maps of .*expected one size'),
    ],
)
def test_faults_name_the_file_and_leave_nothing(source, tmp_path, change, message):
    change(source / 'groundTruth/train/2.mat')
    with pytest.raises(SystemExit, match=message):
        main([str(source), '--out', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_an_existing_folder_is_left_alone(source):
    with pytest.raises(SystemExit, match='exists: remove it'):
        main([str(source), '--out', str(source)])


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(SystemExit, match='train: no images; expected the folder BSDS500/data'):
        main([str(tmp_path), '--out', str(tmp_path / 'out')])
