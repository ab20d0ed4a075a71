"""VOC 2012's segmentation list becomes the small data set of the configs."""

import json
import os
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmseg.datasets import PascalVOCDataset

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'voc12.py'
tool = runpy.run_path(str(TOOL))
main = tool['main']
REAL = Path(os.environ.get('LABELENC_MM_DATA', '')) / 'voc12'
OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
PERSON, CAR = 15, 7


def write_sample(root, stem, label_map, objects):
    for folder in ('Annotations', 'JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / f'JPEGImages/{stem}.jpg').write_bytes(b'')
    cv2.imwrite(str(root / f'SegmentationClass/{stem}.png'), label_map)
    text = ''.join(OBJECT.format(*each) for each in objects)
    (root / f'Annotations/{stem}.xml').write_text(f'<annotation>{text}</annotation>')
    with (root / 'ImageSets/Segmentation/val.txt').open('a') as file:
        file.write(f'{stem}\n')


@pytest.fixture
def source(tmp_path):
    root = tmp_path / 'VOC2012'
    label_map = np.zeros((40, 60), np.uint8)
    label_map[5:15, 10:20] = PERSON  # in its box
    label_map[5:15, 40:50] = PERSON  # in the box of another class alone
    label_map[30:39, 50:60] = CAR  # that of a difficult object, at the border
    label_map[30:32, 0:10] = CAR  # too small
    label_map[4, :] = 255
    objects = [
        ('person', 0, 11, 6, 20, 15),
        ('car', 0, 41, 6, 50, 15),
        ('car', 1, 51, 31, 60, 39),
    ]
    write_sample(root, '2007_000042', label_map, objects)
    return root


def test_boxes_and_regions_to_ignore(source, tmp_path, capsys):
    out = tmp_path / 'data' / 'voc12'
    main([str(source), '--out', str(out)])
    assert 'val: 1 images, 2 boxes, 2 regions to ignore' in capsys.readouterr().out
    content = json.loads((out / 'val.json').read_text())
    assert [(a['category_id'], a['bbox'], a['iscrowd']) for a in content['annotations']] == [
        (PERSON, [10, 5, 10, 10], 0),
        (CAR, [40, 5, 10, 10], 0),
        (CAR, [47, 27, 13, 13], 1),
        (PERSON, [37, 2, 16, 16], 1),
    ]
    (image,) = content['images']
    assert image == dict(id=2007000042, file_name='2007_000042.jpg', width=60, height=40)
    names = tuple(each['name'] for each in content['categories'])
    assert ('background', *names) == PascalVOCDataset.METAINFO['classes']  # as the class maps count
    assert (out / 'val.txt').read_text() == '2007_000042'
    assert (out / 'images/2007_000042.jpg').is_file()
    assert (out / 'labels/2007_000042.png').is_file()


def test_the_split_does_not_depend_on_the_order_of_the_list():
    names = [f'2007_{number:06}' for number in range(30)]
    one, two = tool['split'](names, 10), tool['split'](names[::-1], 10)
    assert one == two and len(one['val']) == 10
    assert sorted(one['train'] + one['val']) == names


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda root: (root / 'JPEGImages/2007_000042.jpg').unlink(), r'2007_000042\.jpg: no such'),
        (
            lambda root: cv2.imwrite(
                str(root / 'SegmentationClass/2007_000042.png'), np.full((4, 4, 3), 9, np.uint8)
            ),
            r'000042\.png: expected a class map with one channel',
        ),
        (
            lambda root: (root / 'Annotations/2007_000042.xml').write_text(
                '<a><object><name>dragon</name></object></a>'
            ),
            r'2007_000042\.xml: .*VOC',
        ),
        (
            lambda root: (root / 'ImageSets/Segmentation/val.txt').unlink(),
            'expected the folder VOC2012',
        ),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_left(source, tmp_path, change, message):
    change(source)
    out = tmp_path / 'data' / 'voc12'
    with pytest.raises(SystemExit, match=message):
        main([str(source), '--out', str(out)])
    assert list(out.parent.iterdir()) == []


def test_an_existing_folder_is_kept(source, tmp_path):
    with pytest.raises(SystemExit, match='exists: remove it'):
        main([str(source), '--out', str(tmp_path)])
    assert source.is_dir()


@pytest.mark.skipif(not REAL.is_dir(), reason='LABELENC_MM_DATA names no folder with voc12/')
def test_real_data_come_out_as_they_were_measured(tmp_path):
    """From class maps and boxes of the real data set: its split and its regions to ignore."""
    known = {split: json.loads((REAL / f'{split}.json').read_text()) for split in ('train', 'val')}
    source = tmp_path / 'VOC2012'
    for folder in ('Annotations', 'ImageSets/Segmentation'):
        (source / folder).mkdir(parents=True)
    (source / 'JPEGImages').symlink_to(REAL / 'images')
    (source / 'SegmentationClass').symlink_to(REAL / 'labels')
    stems = []
    for content in known.values():
        names = {each['id']: each['name'] for each in content['categories']}
        for image in content['images']:
            stems.append(Path(image['file_name']).stem)
            boxes = [
                (names[a['category_id']], x, y, x + w, y + h)
                for a in content['annotations']
                if a['image_id'] == image['id'] and not a['iscrowd']
                for x, y, w, h in [a['bbox']]
            ]
            text = ''.join(OBJECT.format(n, 0, x + 1, y + 1, r, b) for n, x, y, r, b in boxes)
            (source / f'Annotations/{stems[-1]}.xml').write_text(f'<annotation>{text}</annotation>')
    (source / 'ImageSets/Segmentation/val.txt').write_text('\n'.join(stems))
    main([str(source), '--out', str(tmp_path / 'out')])
    for split, content in known.items():
        assert (tmp_path / 'out' / f'{split}.txt').read_text().split() == (
            REAL / f'{split}.txt'
        ).read_text().split()
        made = json.loads((tmp_path / 'out' / f'{split}.json').read_text())
        assert made['images'] == content['images']
        assert objects(made) == objects(content)


def objects(content):
    keys = ('image_id', 'category_id', 'iscrowd', 'bbox', 'area')
    return sorted([annotation[key] for key in keys] for annotation in content['annotations'])
