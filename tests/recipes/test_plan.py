"""Unrolling a recipe into runs that are shared where they may be."""

from pathlib import Path

import pytest

from labelenc_mm.recipes import RecipeError, make_plan, read_recipe
from labelenc_mm.recipes.launch import LaunchSettings, command_line

CHAIN = """
    grid: {weight: [0.5, 1.0]}
    seeds: [0, 1]
    stages:
      step2:
        train: step2.py
        options: {init_from: '{step1}/artefact', weight: '{weight}', blocks: [1, '{seed}']}
      data: {command: 'touch {work_dir}/data'}
      step1: {train: step1.py, requires: [data]}
      eval: {test: step2.py, checkpoint: '{step2}/last_checkpoint'}
"""


def plan_of(write_recipe, text=CHAIN, **options):
    return make_plan(read_recipe(write_recipe(text)), Path('/w'), Path('/tools'), **options)


def test_a_stage_has_one_run_per_combination_that_it_depends_on(write_recipe):
    names = list(plan_of(write_recipe).runs)
    assert [n for n in names if n.startswith('data')] == ['data']
    assert [n for n in names if n.startswith('step1')] == ['step1-seed=0', 'step1-seed=1']
    assert {n for n in names if n.startswith('step2')} == {
        f'step2-weight={weight}-seed={seed}' for weight in (0.5, 1.0) for seed in (0, 1)
    }
    assert len([n for n in names if n.startswith('eval')]) == 4  # through its checkpoint


def test_runs_come_after_what_they_need(write_recipe):
    plan = plan_of(write_recipe)
    order = list(plan.runs)
    for run in plan.runs.values():
        assert all(order.index(name) < order.index(run.name) for name in run.needs.values())
    assert plan.runs['step2-weight=1.0-seed=1'].needs == {'step1': 'step1-seed=1'}


def test_placeholders_keep_the_type_and_name_the_folder_of_the_run(write_recipe):
    run = plan_of(write_recipe).runs['step2-weight=0.5-seed=1']
    assert run.fill('{weight}') == 0.5
    assert run.fill([1, '{seed}']) == [1, 1]
    assert run.fill('{step1}/x', Path('/w')) == '/w/step1-seed=1/x'
    assert run.option_strings(Path('/w')) == [
        'init_from=/w/step1-seed=1/artefact',
        'weight=0.5',
        'blocks=[1,1]',
        'randomness.seed=1',
    ]


def test_augmented_tests_are_runs_of_their_own(write_recipe, tmp_path):
    text = CHAIN.replace("last_checkpoint'}", "last_checkpoint', tta: true}")
    runs = [plan_of(write_recipe, t).runs['eval-weight=0.5-seed=1'] for t in (CHAIN, text)]
    assert [run.wanted().get('tta') for run in runs] == [None, True]
    settings = LaunchSettings(Path(__file__).parents[2] / 'tools')
    lines = [command_line(run, tmp_path, settings) for run in runs]
    assert lines[1] == [*lines[0], '--tta'] and '--tta' not in lines[0]


def test_what_is_wanted_is_the_resolved_config_whatever_the_folder(write_recipe):
    wanted = plan_of(write_recipe).runs['step2-weight=0.5-seed=1'].wanted()
    assert wanted['weight'] == 0.5
    assert wanted['train_cfg.max_epochs'] == 3  # from the config
    assert wanted['init_from'] == '<step1-seed=1>/artefact'


def test_only_takes_along_what_is_needed(write_recipe):
    names = {name.split('-')[0] for name in plan_of(write_recipe, only=['step1']).runs}
    assert names == {'data', 'step1'}


def test_circles_are_refused(write_recipe):
    circle = CHAIN.replace('requires: [data]', 'requires: [eval]')
    with pytest.raises(RecipeError, match='step2 -> step1 -> eval -> step2'):
        plan_of(write_recipe, circle)


def test_values_that_would_share_a_folder_are_refused(write_recipe):
    with pytest.raises(RecipeError, match='would share the folder'):
        plan_of(write_recipe, CHAIN.replace('[0.5, 1.0]', "['a/b', 'a:b']"))


def test_a_value_that_the_command_line_cannot_carry_is_refused(write_recipe):
    run = plan_of(write_recipe).runs['step2-weight=0.5-seed=0']
    with pytest.raises(RecipeError, match=r'init_from.*blanks'):
        run.option_strings(Path('/my folder'))


def test_a_missing_config_is_named(write_recipe):
    run = plan_of(write_recipe, CHAIN.replace('train: step1.py', 'train: nowhere.py'))
    with pytest.raises(RecipeError, match=r'stage step1: found no config nowhere\.py'):
        run.runs['step1-seed=0'].wanted()


def test_a_config_may_be_what_another_run_leaves(write_recipe):
    text = CHAIN.replace('{test: step2.py, checkpoint', "{test: '{step1}/step1.py', checkpoint")
    run = plan_of(write_recipe, text).runs['eval-weight=0.5-seed=1']
    assert run.needs == {'step1': 'step1-seed=1', 'step2': 'step2-weight=0.5-seed=1'}
    assert run.config_path(Path('/w')) == Path('/w/step1-seed=1/step1.py')
    assert run.wanted()['config'] == '<step1-seed=1>/step1.py'
