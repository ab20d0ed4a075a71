"""What labels are called, against the labels that the toolboxes' own data sets give the same objects."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset

from labelenc_mm.engine.data.label_names import class_names, common_label_names, compare_classes

NAMES = ('house', 'lamp', 'tree')


def coco_file(path, names=NAMES, decoy=False):
    """One image with one object of each class, whose bounding box is as wide as its name is long."""
    annotations = [
        dict(
            id=i,
            image_id=0,
            category_id=i,
            bbox=[0, 0, len(name), 5],
            area=5 * len(name),
            iscrowd=0,
        )
        for i, name in enumerate(names, 1)
    ]
    content = dict(
        categories=[dict(id=i, name=name) for i, name in enumerate(names, 1)],
        images=[
            dict(
                id=0,
                file_name='0.png',
                width=50,
                height=50,
                coco_url='http://x.org/images/0.png',
                neg_category_ids=[],
                not_exhaustive_category_ids=[],
            )
        ],
        annotations=annotations,
    )
    if decoy:
        content['info'] = dict(categories=[dict(id=1, name='nothing')])
    path.write_text(json.dumps(content))
    return str(path)


def coco(path, classes=NAMES, names=NAMES, kind='CocoDataset', **options):
    datasets = pytest.importorskip('mmdet.datasets')
    return getattr(datasets, kind)(
        ann_file=coco_file(path, names, **options),
        metainfo=dict(classes=classes),
        data_prefix=dict(img=''),
        pipeline=[],
    )


def names_by_object(dataset, names=NAMES):
    """The names by label that the data set's own objects tell, by their width."""
    by_width = {len(name): name for name in names}
    pairs = {
        (each['bbox_label'], by_width[round(each['bbox'][2] - each['bbox'][0])])
        for each in dataset.get_data_info(0)['instances']
    }
    return [name for _, name in sorted(pairs)]


@pytest.fixture
def widths():
    return ('house', 'lamp', 'a tree')  # of different lengths


@pytest.mark.parametrize('decoy', [False, True])
def test_coco_in_the_order_of_its_file(tmp_path, decoy, widths):
    dataset = coco(tmp_path / 'a.json', widths, widths, decoy=decoy)
    assert names_by_object(dataset, widths) == list(widths)
    for wrapped in (dataset, RepeatDataset(dataset, 2), ConcatDataset([dataset, dataset])):
        assert common_label_names({'train_dataloader': wrapped}) == list(widths)
    subset = coco(tmp_path / 'b.json', widths[::2], widths)
    assert common_label_names({'train_dataloader': subset}) == names_by_object(subset, widths)


def test_classes_in_another_order_than_the_file_are_refused(tmp_path, widths):
    dataset = coco(tmp_path / 'a.json', widths[::-1], widths)
    assert names_by_object(dataset, widths) == list(widths)  # whatever metainfo.classes says
    with pytest.raises(
        ValueError, match=r'val_dataloader, CocoDataset .*a\.json: labels are'
    ) as error:
        common_label_names({'train_dataloader': None, 'val_dataloader': RepeatDataset(dataset, 2)})
    text = str(error.value)
    assert "0: 'a tree' (by its annotations: 'house')" in text
    assert f'Write metainfo.classes in that order, {widths}' in text


@pytest.mark.parametrize(
    ('inside', 'message'),
    [
        (
            ('Lamp ', 'tree'),
            r"'lamp' is not in its categories, but 'Lamp ' is, which differs by case",
        ),
        (
            ('tree',),
            r"1: 'lamp' \(by its annotations: 'tree'\)(?s:.*)'lamp' is not in its categories",
        ),
        ((), r'3 classes \(by its annotations: 1\)'),
    ],
)
def test_a_name_that_the_file_lacks_shifts_labels(tmp_path, inside, message):
    dataset = coco(tmp_path / 'a.json', NAMES, ('house', *inside))
    with pytest.raises(ValueError, match=message):
        common_label_names({'train_dataloader': dataset})


def test_long_lists_are_cut(tmp_path):
    names = [f'class {i}' for i in range(40)]
    with pytest.raises(ValueError, match=r'\.\.\. and 29 more\n') as error:
        common_label_names({'train_dataloader': coco(tmp_path / 'a.json', names, names[1:])})
    assert "\n  11: 'class 11'" in str(error.value) and '\n  12: ' not in str(error.value)


def test_parts_and_loaders_have_to_agree(tmp_path):
    """Each is in the order of its own file, and the ids of the categories are the same numbers."""
    one = coco(tmp_path / 'a.json')
    other = coco(tmp_path / 'b.json', NAMES[::-1], NAMES[::-1])
    message = r"two data sets of this run(?s:.*)b\.json has:\n  0: 'tree' \(.*a\.json: 'house'\)"
    with pytest.raises(ValueError, match=message):
        common_label_names({'train_dataloader': one, 'val_dataloader': other})
    joined = ConcatDataset([one, other], ignore_keys=['classes'])
    with pytest.raises(ValueError, match=message):
        common_label_names({'train_dataloader': joined})


def test_lvis_takes_all_categories_of_its_file(tmp_path, widths):
    pytest.importorskip('lvis')
    dataset = coco(tmp_path / 'a.json', widths, widths, kind='LVISV1Dataset')
    assert common_label_names({'train_dataloader': dataset}) == names_by_object(dataset, widths)
    subset = coco(tmp_path / 'a.json', widths[1:], widths, kind='LVISV1Dataset')
    assert names_by_object(subset, widths) == list(widths)  # metainfo.classes does not pick
    with pytest.raises(ValueError, match=r'2 classes \(by its annotations: 3\)'):
        common_label_names({'train_dataloader': subset})


def test_voc_is_numbered_by_metainfo(tmp_path):
    datasets = pytest.importorskip('mmdet.datasets')
    (tmp_path / 'all.txt').write_text('')
    dataset = datasets.VOCDataset(
        ann_file=str(tmp_path / 'all.txt'),
        data_root='VOC2007/',
        metainfo=dict(classes=('dog', 'cat')),
        serialize_data=False,
        pipeline=[],
    )
    assert dataset.cat2label == {'dog': 0, 'cat': 1}
    assert common_label_names({'train_dataloader': dataset}) == ['dog', 'cat']


def test_label_maps_follow_metainfo(tmp_path):
    """MMSegmentation maps the labels of a data set with classes of its own to a new order of them."""
    mmseg = pytest.importorskip('mmseg.datasets')
    mmcv = pytest.importorskip('mmcv')
    dataset = mmseg.PascalVOCDataset
    own = dataset.METAINFO['classes']
    classes = (own[3], own[1])
    mmcv.imwrite(np.array([[1, 3, 2]] * 2, np.uint8), str(tmp_path / '0.png'))
    (tmp_path / 'all.txt').write_text('0\n')
    built = dataset(
        ann_file=str(tmp_path / 'all.txt'),
        data_prefix=dict(img_path=str(tmp_path), seg_map_path=str(tmp_path)),
        metainfo=dict(classes=classes),
        pipeline=[dict(type='mmseg.LoadAnnotations')],
    )
    assert common_label_names({'train_dataloader': built}) == list(classes)
    assert built[0]['gt_seg_map'].tolist() == [[1, 0, 255]] * 2


def test_formats_of_their_own_are_called_by_metainfo(tmp_path):
    """Own code may merge categories or number what is in no COCO file."""
    metainfo = dict(classes=('thing', 'tree'))
    merged = SimpleNamespace(
        metainfo=metainfo, ann_file=coco_file(tmp_path / 'a.json'), cat2label={1: 0, 2: 0, 3: 1}
    )
    (tmp_path / 'a.csv').write_text('1,2,3\n')
    other = SimpleNamespace(
        metainfo=metainfo, ann_file=str(tmp_path / 'a.csv'), cat2label={7: 0, 8: 1}
    )
    loaders = {'train_dataloader': merged, 'val_dataloader': other}
    assert common_label_names(loaders) == ['thing', 'tree']
    assert common_label_names({'train_dataloader': object(), 'val_dataloader': None}) is None


def test_a_text_is_no_list_of_names(tmp_path):
    assert class_names(('thing',)) == ['thing'] and class_names(None) is None
    message = r"text 'thing', of which every letter would be a class\. .* classes=\('thing',\)"
    with pytest.raises(ValueError, match=message):
        class_names('thing')
    for pair in (('thing', None), ('thing', ['t']), (['t'], 'thing'), (None, 'thing')):
        with pytest.raises(ValueError, match=message):
            compare_classes(*pair, whose='step 1')
    with pytest.raises(ValueError, match=rf'metainfo\.classes of val_dataloader(?s:.*){message}'):
        common_label_names({'val_dataloader': coco(tmp_path / 'a.json', 'thing')})


def test_names_that_look_the_same():
    assert compare_classes(['a', 'Traffic Light'], ['a', 'trafficlight'], whose='step 1') == [
        "1: 'Traffic Light' (step 1: 'trafficlight', which differs by case or blanks only)"
    ]
