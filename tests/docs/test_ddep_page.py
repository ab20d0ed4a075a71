"""The configs of docs/ddep.md, as a reader would copy them."""

import re

from doc_pages import load_block, python_blocks
from mmengine.config import Config
from mmseg.registry import HOOKS, MODELS
from training_runs import ROOT

from labelenc_mm.pretraining import DenoisingDecoderPretrainer

PAGE = 'docs/ddep.md'
TEXT = (ROOT / PAGE).read_text(encoding='utf-8')
PRETRAIN, FINETUNE = python_blocks(PAGE)


def test_pretraining_has_all_that_a_training_needs(tmp_path):
    config = load_block(PRETRAIN, tmp_path)
    config.model.pretrained = None
    model = MODELS.build(config.model)
    assert isinstance(model, DenoisingDecoderPretrainer)
    assert model.encoder == ('backbone',)
    for part in ('train', 'val', 'test'):
        assert config[f'{part}_dataloader'].dataset.data_root == 'data/photos/'
        assert config[f'{part}_cfg'] and (part == 'train' or config[f'{part}_evaluator'])
    lists = {config[f'{part}_dataloader'].dataset.ann_file for part in ('train', 'val')}
    assert all(f'> {name}' in TEXT for name in lists)
    assert config.custom_imports.imports == ['labelenc_mm']


def test_fine_tuning_starts_from_what_it_leaves(tmp_path):
    config = load_block(FINETUNE, tmp_path)
    (hook,) = map(HOOKS.build, config.custom_hooks)
    assert hook.checkpoint == 'work_dirs/pretrain/pretrained_segmentor.pth'
    assert config.model.pretrained is None
    pretraining = load_block(PRETRAIN, tmp_path)
    assert pretraining.model.backbone == config.model.backbone


def test_noises_of_the_page_are_built():
    options = re.findall(r'^\| `corruption=(dict\(.*?\))` \|', TEXT, re.M)
    assert len(options) == 3
    for each in options:
        corruption = Config.fromstring(f'corruption = {each}', '.py').corruption
        MODELS.build(dict(type='mmseg.GaussianCorruption', **corruption))
