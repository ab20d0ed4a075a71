import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from photo_files import truncate, write_photo, write_photos

from labelenc_mm.engine.sample_error_hook import SampleError, name_samples
from labelenc_mm.pretraining import PhotoDataset, PhotoError

PIPELINE = [dict(type='LoadPhoto'), dict(type='PackPhotos')]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


@pytest.fixture
def root(tmp_path):
    write_photos(tmp_path / 'photos', 6)
    return tmp_path


def paths(dataset):
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def test_a_folder_is_walked_with_all_below_it(root):
    write_photo(root / 'photos' / 'deep' / 'er' / 'z.PNG')
    (root / 'photos' / 'notes.txt').write_text('no photo')
    dataset = PhotoDataset(data_root=str(root), data_prefix=dict(img_path='photos'))
    expected = ['deep/er/z.PNG', *(f'photo {i:02}.jpg' for i in range(6))]
    assert paths(dataset) == [os.path.join(root, 'photos', name) for name in expected]


def test_a_list_is_read_as_it_stands(root):
    elsewhere = write_photo(root / 'elsewhere.png')
    lines = ['  photo 03.jpg \r', '', 'photo 00.jpg', str(elsewhere), '   ', 'photo 03.jpg']
    (root / 'list.txt').write_bytes(b'\xef\xbb\xbf' + '\n'.join(lines).encode())
    dataset = PhotoDataset(
        data_root=str(root), ann_file='list.txt', data_prefix=dict(img_path='photos')
    )
    photos = root / 'photos'
    three = str(photos / 'photo 03.jpg')
    assert paths(dataset) == [three, str(photos / 'photo 00.jpg'), str(elsewhere), three]
    assert dataset.get_data_info(-1)['sample_idx'] == 3


def test_names_need_not_be_utf8(tmp_path):
    """As those of archives from other systems."""
    name = os.fsdecode('Caf\xe9.jpg'.encode('latin-1'))
    try:
        write_photo(tmp_path / 'photos' / name)
    except OSError:
        pytest.skip('this file system takes no such names')
    (tmp_path / 'list.txt').write_bytes(os.fsencode(name) + b'\n')
    walked = PhotoDataset(str(tmp_path / 'photos'), pipeline=[dict(type='LoadPhoto')])
    listed = PhotoDataset(
        str(tmp_path / 'photos'),
        str(tmp_path / 'list.txt'),
        pipeline=[dict(type='LoadPhoto')],
    )
    for dataset in (walked, listed):
        assert dataset[0]['img'].shape == (48, 64, 3)
        assert dataset[0]['img_path'].endswith(name)


def test_a_list_costs_as_much_memory_as_its_text(tmp_path):
    names = [f'n{i % 1000:08}/n{i:08}_{i}.JPEG' for i in range(200_000)]
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    dataset = PhotoDataset(data_root=str(tmp_path), ann_file='list.txt')
    text = (tmp_path / 'list.txt').stat().st_size
    assert len(dataset) == 200_000
    # a worker process that is spawned gets a pickle of it
    assert len(pickle.dumps(dataset)) < text + 9 * len(names)
    assert paths(dataset)[123_456] == os.path.join(tmp_path, names[123_456])


def test_no_folder_is_walked_for_a_list(root, monkeypatch):
    (root / 'list.txt').write_text('gone.jpg')
    monkeypatch.setattr(os, 'scandir', lambda *_: pytest.fail('a folder is walked'))
    assert len(PhotoDataset(data_root=str(root), ann_file='list.txt')) == 1


def test_parts_and_several_roots(root):
    dataset = dict(type='PhotoDataset', data_root=str(root), pipeline=PIPELINE)
    write_photos(root / 'more', 2)
    both = ConcatDataset(
        [
            DATASETS.build(dict(dataset, data_prefix=dict(img_path='photos'), indices=[4, 1])),
            DATASETS.build(dict(dataset, data_prefix=dict(img_path='more'), lazy_init=True)),
        ]
    )
    assert len(both) == 4
    found = [both[i]['data_samples'].img_path for i in range(4)]
    names = ['photos/photo 04.jpg', 'photos/photo 01.jpg', 'more/photo 00.jpg', 'more/photo 01.jpg']
    assert found == [os.path.join(root, name) for name in names]
    subset = both.datasets[0].get_subset([1])
    assert paths(subset) == [str(root / 'photos' / 'photo 01.jpg')]


def test_samples_are_those_of_a_segmentor_without_labels(root):
    dataset = PhotoDataset(data_root=str(root / 'photos'), pipeline=PIPELINE)
    data = dataset[2]
    assert data['inputs'].shape == (3, 48, 64)
    assert data['inputs'].dtype == torch.uint8
    sample = data['data_samples']
    assert sample.img_shape == sample.ori_shape == (48, 64)
    assert sample.is_gray is False
    assert 'damaged_photos' not in sample


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        (dict(ann_file='none.txt'), FileNotFoundError, r'no list .*none\.txt'),
        (dict(ann_file='empty.txt'), PhotoError, r'no photo in the list .*empty\.txt'),
        (dict(data_prefix=dict(img_path='nowhere')), FileNotFoundError, 'no folder .*nowhere'),
        (dict(data_prefix=dict(img_path='texts')), PhotoError, r'no photo in the folder .*\.jpg'),
    ],
)
def test_no_photos_are_refused(root, options, error, message):
    (root / 'empty.txt').write_text('\n  \n')
    (root / 'texts').mkdir()
    with pytest.raises(error, match=message):
        PhotoDataset(data_root=str(root), **options)


def damage(root):
    """One of each kind; the others are good."""
    truncate(root / 'photos' / 'photo 01.jpg')
    (root / 'photos' / 'photo 03.jpg').write_text('no image')
    (root / 'photos' / 'photo 04.jpg').unlink()
    lines = [f'photo {i:02}.jpg' for i in range(6)]
    (root / 'list.txt').write_text('\n'.join(lines))
    return of_list(root)


def of_list(root):
    return dict(
        data_root=str(root),
        ann_file='list.txt',
        data_prefix=dict(img_path='photos'),
        pipeline=PIPELINE,
    )


@pytest.mark.parametrize(
    ('index', 'message'), [(1, 'truncated or no image'), (3, 'no image'), (4, 'cannot be read')]
)
@pytest.mark.parametrize('named', [True, False])
def test_damaged_photos_end_the_training(root, index, message, named):
    dataset = PhotoDataset(**damage(root))
    if named:  # as tools/train.py has it
        name_samples(dataset)
    with pytest.raises((PhotoError, SampleError), match=rf'photo 0{index}\.jpg.*{message}'):
        dataset[index]


@pytest.mark.parametrize('named', [True, False])
def test_damaged_photos_are_replaced_by_the_same_ones_each_time(root, named):
    dataset = PhotoDataset(**damage(root), skip_damaged=True)
    if named:
        name_samples(dataset)
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = [dataset[i]['data_samples'] for i in range(6)]
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    good = {str(root / 'photos' / f'photo 0{i}.jpg') for i in (0, 2, 5)}
    for index, sample in enumerate(first):
        own = str(root / 'photos' / f'photo 0{index}.jpg')
        if own in good:
            assert sample.img_path == own
            assert 'damaged_photos' not in sample
        else:
            assert sample.img_path in good
            assert sample.damaged_photos[0] == own
            assert not good & set(sample.damaged_photos)
    again = PhotoDataset(**of_list(root), skip_damaged=True)  # as after a resume
    second = [again[i]['data_samples'].img_path for i in range(6)]
    assert second == [sample.img_path for sample in first]


def test_data_of_which_nothing_can_be_read_are_refused(root):
    options = damage(root)
    options['data_prefix'] = dict(img_path='elsewhere')
    with pytest.raises(PhotoError, match='100 photos in a row cannot be read'):
        PhotoDataset(**options, skip_damaged=True)[0]


def test_other_errors_of_the_pipeline_are_not_taken_for_damage(root):
    options = damage(root)
    options['pipeline'] = [dict(type='LoadPhoto'), dict(type='Resize', scale=(0, 0))]
    dataset = PhotoDataset(**options, skip_damaged=True)
    with pytest.raises(Exception) as caught:
        dataset[0]
    assert not isinstance(caught.value, PhotoError)


def test_a_list_of_dicts_is_refused(root):
    with pytest.raises(ValueError, match='serialize_data=False'):
        PhotoDataset(data_root=str(root / 'photos'), serialize_data=False)
