"""The configs of README.md, docs/labelenc.md and docs/your_data.md, as a reader would copy them."""

import ast
import re
from pathlib import Path

import pytest
from doc_pages import python_blocks
from mmengine.config import Config

import labelenc_mm

ROOT = Path(__file__).resolve().parents[2]


STEPS = dict(zip(('one-run', 'step1', 'step2'), python_blocks('docs/labelenc.md'), strict=True))
# What our tools attach by themselves, and shipped configs write for the toolboxes' own tools.
ATTACHED = ('default_hooks', 'model_wrapper_cfg', 'val_cfg')
SHIPPED = {
    'step1': 'labelenc/retinanet_r50_fpn_labelenc-step1_16e_coco.py',
    'step2': 'labelenc/retinanet_r50_fpn_labelenc-step2_1x_coco.py',
    'one-run': 'labelenc/retinanet_r50_fpn_labelenc-one-run_15e_coco.py',
}

NAMED = sorted(
    {
        found
        for path in (*ROOT.glob('*.md'), *ROOT.glob('docs/*.md'))
        for found in re.findall(
            r'\b(mmdet|mmseg|labelenc_mm)::([\w/.-]+\.py)', path.read_text('utf-8')
        )
    }
)


def load(text, folder):
    path = folder / 'config.py'
    path.write_text(text)
    return Config.fromfile(path)


def test_readme_and_guide_show_the_same_steps():
    assert python_blocks('README.md') == list(STEPS.values())


@pytest.mark.parametrize(('step', 'most'), [('step1', 6), ('step2', 4), ('one-run', 4)])
def test_a_step_is_a_few_statements(step, most):
    assert len(ast.parse(STEPS[step]).body) <= most


@pytest.mark.parametrize('step', STEPS)
def test_steps_are_the_shipped_ones(step, tmp_path):
    config = load(STEPS[step], tmp_path)
    shipped = Config.fromfile(labelenc_mm.config(SHIPPED[step]))
    for key in ATTACHED:
        config.pop(key, None)
        shipped.pop(key, None)
    if step == 'step1':
        assert config.train_cfg.max_epochs == 16
        assert config.param_scheduler[1].milestones == [12, 15]
    elif step == 'one-run':  # whose reader keeps the own schedule
        for key in ('train_cfg', 'param_scheduler'):
            assert config.pop(key) != shipped.pop(key)
    elif step == 'step2':
        assert (
            config.model.labelenc.pop('init_from') == 'work_dirs/step1/label_encoding.safetensors'
        )
        assert shipped.model.labelenc.pop('init_from')
    assert config.to_dict() == shipped.to_dict()


@pytest.mark.parametrize('step', STEPS)
def test_steps_on_data_of_ones_own(step, tmp_path):
    (detector,) = python_blocks('docs/your_data.md')
    (tmp_path / 'detector.py').write_text(detector)
    text, count = re.subn(r'^_base_ = .*$', "_base_ = './detector.py'", STEPS[step], flags=re.M)
    assert count == 1
    config = load(text, tmp_path)
    on_coco = load(STEPS[step], tmp_path)
    for split in ('train', 'val', 'test'):
        dataset = config[f'{split}_dataloader'].dataset
        file = 'train' if split == 'train' else 'val'
        assert dataset.metainfo.classes == ('scratch', 'dent')
        assert (dataset.ann_file, dataset.data_prefix.img) == (f'{file}.json', f'{file}/')
        assert dataset.pipeline == on_coco[f'{split}_dataloader'].dataset.pipeline
        if split != 'train':
            assert config[f'{split}_evaluator'].ann_file == dataset.data_root + dataset.ann_file
    assert config.model.bbox_head.num_classes == 2
    for key in ('train_cfg', 'param_scheduler', 'optim_wrapper'):
        assert config[key] == on_coco[key]


@pytest.mark.parametrize(('package', 'name'), NAMED)
def test_named_configs_exist(package, name, tmp_path):
    base = labelenc_mm.config(name) if package == 'labelenc_mm' else f'{package}::{name}'
    assert load(f'_base_ = {base!r}', tmp_path)
