import pytest
import torch
from mmengine.registry import init_default_scope
from photo_files import write_photos

from labelenc_mm.pretraining import ImageListDataset, PhotoError


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


def dataset(tmp_path, text, **options):
    (tmp_path / 'list.txt').write_text(text)
    pipeline = [dict(type='LoadPhoto'), dict(type='PackClassInputs')]
    return ImageListDataset('list.txt', data_root=str(tmp_path), pipeline=pipeline, **options)


def test_paths_and_labels(tmp_path):
    write_photos(tmp_path, 3)
    text = 'photo 00.jpg 4\nphoto 01.jpg\t0 3  2\n\nphoto 02.jpg 1'
    data = dataset(tmp_path, text, num_classes=5)
    samples = [data[i]['data_samples'] for i in range(3)]
    assert [s.gt_label.label.tolist() for s in samples] == [[4], [0, 3, 2], [1]]
    assert all(s.gt_label.label.dtype == torch.int64 for s in samples)
    assert samples[1].img_path == str(tmp_path / 'photo 01.jpg')


def test_labels_with_a_question_mark_are_ignored(tmp_path):
    write_photos(tmp_path, 2)
    text = 'photo 00.jpg 4? 0 3?\nphoto 01.jpg 2?'
    data = dataset(tmp_path, text, num_classes=5)
    labels = [data[i]['data_samples'].gt_label for i in range(2)]
    assert [label.label.tolist() for label in labels] == [[0], []]
    assert [label.ignored.tolist() for label in labels] == [[4, 3], [2]]
    assert all(each.dtype == torch.int64 for label in labels for each in label.values())


def test_names_of_classes_tell_their_number(tmp_path):
    metainfo = dict(classes=('cat', 'dog'))
    assert len(dataset(tmp_path, 'a.jpg 1', metainfo=metainfo)) == 1
    with pytest.raises(PhotoError, match='label 2 is none of 2 classes'):
        dataset(tmp_path, 'a.jpg 1\nb.jpg 2', metainfo=metainfo)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a.jpg 1\nb.jpg', r"list\.txt, image 2: 'b\.jpg' is no path with labels"),
        ('a.jpg one', 'is no path with labels'),
        ('a.jpg -1', 'is no path with labels'),
        ('a.jpg 0 9', r"image 1 \('a\.jpg 0 9'\): label 9 is none of 5"),
        ('a.jpg 0 9?', r'image 1 .*: label 9 is none of 5'),
        ('a.jpg 1 ?', 'is no path with labels'),
        ('a.jpg 1\nb.jpg 2 1 2?', r'image 2: .* has 2 both with and without a question mark'),
        ('', 'no photo in the list'),
    ],
)
def test_lists_that_are_refused(tmp_path, text, message):
    with pytest.raises(PhotoError, match=message):
        dataset(tmp_path, text, num_classes=5)


def test_the_number_of_classes_has_to_be_known(tmp_path):
    with pytest.raises(PhotoError, match='neither num_classes nor'):
        dataset(tmp_path, 'a.jpg 1')
    with pytest.raises(PhotoError, match='no ann_file'):
        ImageListDataset('')
