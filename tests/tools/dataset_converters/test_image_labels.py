import json
import runpy
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_converters' / 'image_labels.py'
MAIN = runpy.run_path(str(TOOL))['main']
CONTENT = {
    'images': [{'id': i, 'file_name': f'photo {i}.jpg'} for i in (4, 7, 9)],
    'annotations': [
        {'image_id': 9, 'category_id': 30},
        {'image_id': 4, 'category_id': 30},
        {'image_id': 4, 'category_id': 20, 'iscrowd': 0},
        {'image_id': 4, 'category_id': 30},
        {'image_id': 7, 'category_id': 10, 'iscrowd': 1},
    ],
    'categories': [{'id': i, 'name': n} for i, n in ((20, 'cat'), (10, 'dog'), (30, 'cow'))],
}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(CONTENT))
    return path


def test_labels_are_the_classes_of_the_objects(source, tmp_path, capsys):
    out = tmp_path / 'lists' / 'train.txt'
    MAIN([str(source), str(out), '--prefix', 'images/'])
    assert out.read_text() == 'images/photo 4.jpg 0 2\nimages/photo 9.jpg 2\n'
    assert '2 images, 1 without objects left out; classes: cat, dog, cow' in capsys.readouterr().out


def test_regions_to_ignore_become_labels_that_are_ignored(source, tmp_path):
    content = json.loads(source.read_text())
    content['annotations'] += [
        {'image_id': 9, 'category_id': c, 'iscrowd': 1} for c in (10, 30, 10)
    ]
    source.write_text(json.dumps(content))
    MAIN([str(source), str(tmp_path / 'out.txt'), '--ignored'])
    lines = ['photo 4.jpg 0 2', 'photo 7.jpg 1?', 'photo 9.jpg 2 1?']
    assert (tmp_path / 'out.txt').read_text().splitlines() == lines


def test_an_image_list_dataset_reads_it(source, tmp_path):
    pytest.importorskip('mmseg')
    from labelenc_mm.pretraining import ImageListDataset

    MAIN([str(source), str(tmp_path / 'train.txt')])
    dataset = ImageListDataset('train.txt', data_root=str(tmp_path), num_classes=3)
    info = dataset.get_data_info(0)
    assert info['img_path'] == str(tmp_path / 'photo 4.jpg')
    assert info['gt_label'].tolist() == [0, 2]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"images": []}', "not in COCO's format .*categories"),
        ('{', 'train.json'),
        (None, 'No such'),
    ],
)
def test_what_is_no_such_file(tmp_path, text, message):
    path = tmp_path / 'train.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match=message):
        MAIN([str(path), str(tmp_path / 'out.txt')])
    assert not (tmp_path / 'out.txt').exists()
