"""The recipe of the demonstration fits the data, the configs and the tools that it names."""

import ast
from pathlib import Path

import pytest

from labelenc_mm.recipes import LaunchSettings, command_line, make_plan, read_recipe

pytest.importorskip('mmdet')
ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(tmp_path):
    recipe = read_recipe(ROOT / 'configs' / 'labelenc' / 'demo' / 'demo.yml')
    return make_plan(recipe, tmp_path, ROOT / 'tools')


def test_every_command_names_files_that_exist(plan, tmp_path):
    for run in plan.runs.values():
        words = command_line(run, tmp_path, LaunchSettings(ROOT / 'tools'))
        scripts = [word for word in words if word.endswith('.py')]
        assert scripts
        assert all(Path(script).is_file() for script in scripts)


def test_both_steps_train_the_detector_and_the_data_of_the_baseline(plan):
    wanted = {run.stage.name: run.wanted() for run in plan.runs.values()}
    baseline = wanted['baseline']
    assert baseline['model.type'] == 'RetinaNet'
    for step in ('step1', 'step2'):
        own = {
            key: value
            for key, value in wanted[step].items()
            if key.startswith(('model.', 'train_dataloader.', 'val_dataloader.', 'optim_wrapper.'))
            and not key.startswith(('model.labelenc.', 'model.type'))
        }
        assert own == {key: baseline[key] for key in own}
    assert wanted['step2']['model.labelenc.init_from'].startswith('<step1-seed=0>/')
    encoders = [
        {k: v for k, v in wanted[step].items() if k.startswith('model.labelenc.encoder.')}
        for step in ('step1', 'step2')
    ]
    assert encoders[0] == encoders[1] != {}


def test_its_classes_are_those_of_the_data(plan):
    from labelenc_mm.datasets import CLASSES

    wanted = plan.runs['baseline-seed=0'].wanted()
    classes = ast.literal_eval(wanted['val_dataloader.dataset.metainfo.classes'])
    assert tuple(classes) == CLASSES
    assert wanted['model.bbox_head.num_classes'] == len(CLASSES)
