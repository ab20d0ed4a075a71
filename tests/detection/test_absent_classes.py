"""Classes without an object are told before a training, from annotations alone."""

import json
import logging

import pytest
from mmdet.registry import DATASETS

from labelenc_mm.detection.absent_classes import check_objects

CLASSES = ('cat', 'dog/wolf', 'cow')


@pytest.fixture
def heard(hear):
    return hear('labelenc_mm.detection.absent_classes')


def dataset(folder, labels, classes=CLASSES, crowd=0, **options):
    """A data set of one object of each of these labels, each in an image that is not there."""
    path = folder / f'{len(list(folder.iterdir()))}.json'
    size = dict(width=9, height=9)
    box = dict(bbox=[1, 1, 5, 5], area=25, iscrowd=crowd)
    content = dict(
        images=[dict(id=i, file_name=f'{i}.png', **size) for i, _ in enumerate([0, *labels])],
        annotations=[
            dict(id=i, image_id=i, category_id=label, **box) for i, label in enumerate(labels)
        ],
        categories=[dict(id=i, name=name) for i, name in enumerate(CLASSES)],
    )
    path.write_text(json.dumps(content))
    config = dict(type='mmdet.CocoDataset', ann_file=str(path), metainfo=dict(classes=classes))
    config['data_prefix'] = dict(img='')
    return DATASETS.build({**config, 'pipeline': [], **options})


@pytest.mark.parametrize('serialize', [True, False])
def test_classes_without_an_object_are_named_in_one_warning(tmp_path, heard, serialize):
    check_objects(dataset(tmp_path, [0, 0], serialize_data=serialize), CLASSES)
    ((level, message),) = heard
    assert level == logging.WARNING
    assert message.startswith(
        "2 of 3 classes have no object in the training data: 'dog/wolf', 'cow'."
    )


def test_all_parts_count_and_crowds_do_not(tmp_path, heard):
    parts = [dataset(tmp_path, [0]), dataset(tmp_path, [1, 2])]
    whole = dict(type='mmdet.ConcatDataset', datasets=parts)
    check_objects(DATASETS.build(whole), CLASSES)
    assert heard == []
    parts.append(dataset(tmp_path, [1, 2], crowd=1))
    repeated = dict(type='RepeatDataset', times=2, dataset=parts[2])
    check_objects(DATASETS.build(repeated), CLASSES)
    assert '3 of 3' in heard[0][1]


def test_data_of_none_of_the_classes_are_refused_with_both_lists(tmp_path, heard):
    other = dataset(tmp_path, [0], classes=('horse', 'hen'))
    message = r"none of metainfo.classes, 'horse', 'hen', is among .*, 'cat', 'dog/wolf', 'cow'\."
    with pytest.raises(ValueError, match=message):
        check_objects(other, ('horse', 'hen'))


def test_of_unknown_data_nothing_is_said(heard):
    check_objects(object(), CLASSES)
    check_objects(object(), None)
    assert heard == []
