"""BCCD's own files become COCO json."""

import json
import runpy
from pathlib import Path

import pytest
from pycocotools.coco import COCO

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'bccd.py'
main = runpy.run_path(str(TOOL))['main']
OBJECT = """<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>
</bndbox></object>"""
OBJECTS = {
    'BloodImage_00003': [('WBC', 5, 6, 25, 46), ('RBC', 1, 2, 1, 9), ('Platelets', 0, 0, 3, 4)],
    'BloodImage_00010': [],
    'BloodImage_00002': [('RBC', 7, 7, 17, 12)],
}
LISTS = {'train': ['BloodImage_00003', 'BloodImage_00010'], 'val': ['BloodImage_00002'], 'test': []}


@pytest.fixture
def source(tmp_path):
    root = tmp_path / 'BCCD'
    for folder in ('ImageSets/Main', 'Annotations', 'JPEGImages'):
        (root / folder).mkdir(parents=True)
    for split, stems in LISTS.items():
        (root / f'ImageSets/Main/{split}.txt').write_text('\n'.join(stems) + '\n')
    for stem, objects in OBJECTS.items():
        (root / f'JPEGImages/{stem}.jpg').write_bytes(b'')
        size = '<size><width>64</width><height>48</height></size>'
        text = ''.join(OBJECT.format(*each) for each in objects)
        (root / f'Annotations/{stem}.xml').write_text(f'<annotation>{size}{text}</annotation>')
    return root


def test_boxes_images_and_classes(source, tmp_path, capsys):
    out = tmp_path / 'data' / 'bccd'
    main([str(source), '--out', str(out)])
    assert 'train: 2 images, 2 boxes, 1 left out' in capsys.readouterr().out
    coco = COCO(out / 'train.json')
    assert [c['name'] for c in coco.loadCats([1, 2, 3])] == ['RBC', 'WBC', 'Platelets']
    assert {i['id']: i['file_name'] for i in coco.dataset['images']} == {
        3: 'BloodImage_00003.jpg',
        10: 'BloodImage_00010.jpg',
    }
    assert coco.imgs[3]['width'] == 64 and coco.imgs[3]['height'] == 48
    found = [(a['image_id'], a['category_id'], a['bbox'], a['area']) for a in coco.anns.values()]
    assert found == [(3, 2, [5, 6, 20, 40], 800), (3, 3, [0, 0, 3, 4], 12)]
    assert len(json.loads((out / 'val.json').read_text())['annotations']) == 1
    assert (out / 'images' / 'BloodImage_00002.jpg').is_file()


@pytest.mark.parametrize(
    ('name', 'old', 'new', 'message'),
    [
        ('Annotations/BloodImage_00003.xml', 'WBC', 'cell', r'00003\.xml: .*RBC, WBC, Platelets'),
        ('Annotations/BloodImage_00003.xml', '>46<', '>4.6<', r'00003\.xml: .*whole numbers'),
        ('Annotations/BloodImage_00003.xml', '</annotation>', '', r'00003\.xml: .*expected XML'),
        ('ImageSets/Main/val.txt', '00002', '00004', r'BloodImage_00004\.jpg: no such file'),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_left(source, tmp_path, name, old, new, message):
    path = source / name
    path.write_text(path.read_text().replace(old, new))
    out = tmp_path / 'data' / 'bccd'
    with pytest.raises(SystemExit, match=message):
        main([str(source), '--out', str(out)])
    assert list(out.parent.iterdir()) == []


def test_another_folder_is_refused_and_an_existing_one_kept(source, tmp_path):
    with pytest.raises(SystemExit, match='expected the folder BCCD of a clone'):
        main([str(tmp_path), '--out', str(tmp_path / 'out')])
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine').touch()
    with pytest.raises(SystemExit, match='exists: remove it'):
        main([str(source), '--out', str(tmp_path / 'out')])
    assert (tmp_path / 'out' / 'mine').is_file()
