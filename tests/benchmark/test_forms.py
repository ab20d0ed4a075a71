"""Which configs share a table, and what it compares them with."""

import pytest
from segmentation_models import CHANNELS, stock_model_config

pytest.importorskip('mmseg')

from mmengine.config import Config

from labelenc_mm.benchmark.forms import group_forms, load_configs
from labelenc_mm.benchmark.segmentors import Segmentors

OPTIMIZER = dict(optimizer=dict(type='SGD', lr=0.01))


def config_of(ours=True, **options):
    model = stock_model_config('PSPNet')
    if ours:
        label_structure = dict(init_from='nowhere.safetensors', channels=CHANNELS)
        model.update(type='LabelStructureEncoderDecoder', label_structure=label_structure)
    model.update(options)
    return Config(dict(model=model, optim_wrapper=OPTIMIZER))


def names(configs, **options):
    return [list(group) for group in group_forms(configs, Segmentors(), **options)]


def test_forms_of_one_stock_model_share_a_table():
    title = 'stock EncoderDecoder (PSPHead)'
    configs = {'a': config_of(), 'b': config_of(), 'c': config_of(pretrained='x.pth')}
    assert names(configs) == [[title, 'a', 'b'], [title, 'c']]
    first, second = group_forms(configs, Segmentors())
    assert 'label_structure' not in first[title].model and second[title].model.pretrained == 'x.pth'


def test_a_baseline_may_be_anything_and_stands_first():
    configs = {'a': config_of(), 'stock': config_of(ours=False), 'b': config_of(ours=False)}
    assert names(configs, baseline='stock') == [['stock', 'a', 'b']]
    with pytest.raises(ValueError, match='name by --baseline what to compare with'):
        names(configs)


def test_configs_of_one_file_name_have_rows_of_their_own(tmp_path):
    paths = [tmp_path / 'wide' / 'x.py', tmp_path / 'narrow' / 'x.py']
    for path in paths:
        path.parent.mkdir()
        path.write_text('optim_wrapper = dict(type="OptimWrapper")\n')
    assert list(load_configs(map(str, paths))) == ['x', str(paths[1].with_suffix(''))]
