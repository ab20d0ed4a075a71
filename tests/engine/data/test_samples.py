"""What the tools see of data sets: wrapped ones, faulty samples, none at all."""

import json

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from training_configs import write_config, write_data

from labelenc_mm.engine import SampleError
from labelenc_mm.engine.data.samples import backend_of, build_samples, metainfo_of, names_by_label
from labelenc_mm.shape_scenes import CLASSES

pytest.importorskip('mmdet')


@pytest.fixture
def config(tmp_path):
    data = write_data(tmp_path / 'data')
    init_default_scope('mmdet')
    return Config.fromfile(write_config(tmp_path / 'c.py', data))


def wrapped(dataset):
    """Two data sets of other palettes, nested as deep as a training takes them."""
    other = {**dataset, 'metainfo': {**dataset['metainfo'], 'palette': [(1, 2, 3)] * len(CLASSES)}}
    balanced = dict(type='ClassBalancedDataset', oversample_thr=1e-3, dataset=other)
    parts = [dict(type='RepeatDataset', times=2, dataset=dataset), balanced]
    return dict(type='ConcatDataset', datasets=parts)


def test_wrapped_data_sets_have_the_samples_and_classes_of_a_training(config):
    config.train_dataloader.dataset = wrapped(config.train_dataloader.dataset)
    dataset = build_samples(config, 'train')
    assert isinstance(dataset.metainfo, list) and len(dataset) == 3 * 8
    assert (
        metainfo_of(dataset)['classes'] == CLASSES == names_by_label(dataset, len(CLASSES), 'train')
    )
    assert names_by_label(dataset, len(CLASSES) + 1, 'train')[-1] == f'class {len(CLASSES)}'
    assert 'data_samples' in dataset[20]


def test_a_wrapper_without_metainfo_shows_that_of_what_it_wraps(config):
    from torch.utils.data import Subset

    dataset = Subset(build_samples(config, 'train'), [0])
    assert names_by_label(dataset, 1, 'train') == CLASSES and backend_of(dataset) is None
    dataset.dataset.backend_args = {'backend': 'petrel'}
    assert backend_of(dataset) == {'backend': 'petrel'}


def test_a_sample_that_cannot_be_prepared_is_named_through_all_wrappers(config, tmp_path):
    (tmp_path / 'data' / 'images' / 'train' / '000003.png').write_bytes(b'')
    config.train_dataloader.dataset = wrapped(config.train_dataloader.dataset)
    with pytest.raises(SampleError, match=r'000003\.png'):
        list(build_samples(config, 'train'))


def test_data_of_other_classes_are_refused_with_both_lists(config):
    config.train_dataloader.dataset.metainfo.classes = ('horse', 'zebra')
    config.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=True)
    message = r"train_dataloader is empty: none of .*'horse', 'zebra', is .*train\.json, 'triangle'"
    message = message.replace("'triangle'", repr(CLASSES[0]))
    with pytest.raises(ValueError, match=message):
        build_samples(config, 'train')


def test_data_that_the_filter_empties_are_told_with_the_filter(config, tmp_path):
    config.train_dataloader.dataset.filter_cfg = dict(min_size=5000)
    with pytest.raises(ValueError, match=r"filter_cfg=\{'min_size': 5000\}, or its filter leaves"):
        build_samples(config, 'train')


def test_names_of_xml_files_are_told(config, tmp_path):
    root = tmp_path / 'voc'
    (root / 'Annotations').mkdir(parents=True)
    (root / 'JPEGImages').mkdir()
    xml = '<annotation><object><name>cat</name><difficult>0</difficult></object></annotation>'
    (root / 'Annotations' / 'a.xml').write_text(xml)
    (root / 'list.txt').write_text('')
    config.train_dataloader.dataset = dict(
        type='VOCDataset',
        data_root=str(root),
        ann_file='list.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('horse',)),
        pipeline=[],
    )
    with pytest.raises(ValueError, match=r"none of metainfo.classes, 'horse', .*, 'cat'\."):
        build_samples(config, 'train')


def test_an_empty_data_set_of_label_maps_is_told_with_its_folders(tmp_path):
    pytest.importorskip('mmseg')
    init_default_scope('mmseg')
    (tmp_path / 'images').mkdir()
    prefix = dict(img_path='images', seg_map_path='labels')
    dataset = dict(type='BaseSegDataset', data_root=str(tmp_path), data_prefix=prefix, pipeline=[])
    message = r"BaseSegDataset finds no sample with .*/images.*img_suffix='\.jpg', seg_map_suffix"
    with pytest.raises(ValueError, match=message):
        build_samples({'val_dataloader': {'dataset': dataset}}, 'val')


def test_other_errors_stay_as_they_are(config, tmp_path):
    (tmp_path / 'data/annotations/train.json').write_text('{')
    with pytest.raises(json.JSONDecodeError):
        build_samples(config, 'train')
