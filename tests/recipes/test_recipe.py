"""Reading a recipe: what it expands to and what it refuses."""

import pytest

from labelenc_mm.recipes import RecipeError, read_recipe

MINIMAL = """
    variables: {epochs: 2}
    grid: {weight: [0.5, 1.0], size: [64]}
    seeds: [0, 1]
    options: {train_cfg: {max_epochs: '{epochs}'}}
    stages:
      baseline: {train: baseline.py}
      step2: {train: step2.py, options: {weight: '{weight}', train_cfg.max_epochs: 9}}
"""


def test_grid_is_the_product_of_its_lists(write_recipe):
    recipe = read_recipe(write_recipe(MINIMAL))
    assert recipe.points == [{'weight': 0.5, 'size': 64}, {'weight': 1.0, 'size': 64}]


def test_options_of_a_stage_go_over_the_shared_ones_and_the_command_line_over_both(write_recipe):
    path = write_recipe(MINIMAL)
    recipe = read_recipe(path)
    assert recipe.stages['baseline'].options['train_cfg.max_epochs'] == '{epochs}'
    assert recipe.stages['step2'].options['train_cfg.max_epochs'] == 9
    for option in ({'train_cfg.max_epochs': 1}, {'train_cfg': {'max_epochs': 1}}):
        forced = read_recipe(path, options=option)
        assert {stage.options['train_cfg.max_epochs'] for stage in forced.stages.values()} == {1}


def test_set_changes_a_variable_and_fixes_a_grid_variable(write_recipe):
    recipe = read_recipe(write_recipe(MINIMAL), variables={'epochs': 7, 'weight': 3})
    assert recipe.variables == {'epochs': 7}
    assert recipe.points == [{'weight': 3, 'size': 64}]


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('seeds: [0, 1]', 'seeds: [0, 0]', 'different whole numbers'),
        ('seeds: [0, 1]', 'seed: [0, 1]', 'did you mean "seeds"'),
        ("'{weight}'", "'{wieght}'", 'step2.*did you mean "weight"'),
        ('weight: [0.5, 1.0]', 'step2: [1]', 'step2 would mean two things'),
        ('weight: [0.5, 1.0]', 'weight: 0.5', 'expected a list of values, found float 0.5'),
        ('{train: baseline.py}', '{test: baseline.py}', 'names a "checkpoint"'),
        ('{train: baseline.py}', '{train: baseline.py, command: ls}', 'expected one of'),
        ('{train: baseline.py}', '{train: baseline.py, requires: [sep2]}', 'mean "step2"'),
        (
            '{train: baseline.py}',
            "{command: 'echo \"a'}",
            'baseline: command: cannot be split into words .*echo "a',
        ),
        ('{train: baseline.py}', "{command: ''}", 'baseline: command: expected a program'),
        ('variables: {epochs: 2}', '- a\n    - b', 'cannot read the recipe'),
        ('weight: [0.5, 1.0]', 'weight: []', 'grid: weight: expected at least one value'),
        ('grid: {weight: [0.5, 1.0], size: [64]}', 'grid: []', 'grid: expected at least one point'),
        (
            'weight: [0.5, 1.0]',
            'the-weight: [1]',
            '"the-weight" cannot be written as a placeholder',
        ),
        ('seeds: [0, 1]', 'table: {metrics: [mIoU]}', 'metrics: expected a mapping'),
        ('seeds: [0, 1]', 'table: {metrics: {AP: [AP]}}', 'metrics: AP: expected the name'),
        ('seeds: [0, 1]', 'table: {rows: [baseline]}', 'rows: expected a mapping'),
        ('seeds: [0, 1]', 'plots: [{metric: [AP]}]', 'every plot names a "metric"'),
        ('seeds: [0, 1]', 'plots: [{metric: AP, stages: step2}]', 'stages: expected a list'),
        ('seeds: [0, 1]', 'plots: [{metric: AP, x: wieght}]', 'x axis .*did you mean "weight"'),
        ('seeds: [0, 1]', 'plots: [{metric: AP, file: 3}]', 'file: expected a path'),
        ('seeds: [0, 1]', 'plots: [{metric: AP, file: plot}]', 'plots: file plot: unknown ending'),
        ('seeds: [0, 1]', 'plots: [{metric: AP, file: a.pgn}]', 'a.pgn: .*did you mean "png"'),
        (
            'seeds: [0, 1]',
            'plots: [{metric: AP, file: ../a.png}]',
            r'file \.\./a\.png: .*below the',
        ),
        (
            'seeds: [0, 1]',
            'plots: [{metric: AP, file: a/../../a.png}]',
            'below the folder of the r',
        ),
        ('seeds: [0, 1]', 'plots: [{metric: AP, file: /a.png}]', 'below the folder of the runs'),
        ('epochs: 2', f'epochs: {"9" * 5000}', 'cannot read the recipe.*4300'),
        ('epochs: 2', f'epochs: 0x{"f" * 5000}', 'cannot read the recipe.*4300'),
        ('epochs: 2', f'epochs: {"[" * 9999}', 'cannot read the recipe.*nested too deep'),
        ('epochs: 2', 'epochs: &a [*a]', 'cannot read the recipe.*[Cc]ircular'),
        ('epochs: 2', 'epochs: 2020-13-45', 'cannot read the recipe.*month'),
        ('seeds: [0, 1]', 'plots: [{metric: AP}, {metric: mIoU}]', 'two plots go to plot.png'),
        (
            'seeds: [0, 1]',
            'plots: [{metric: AP, file: a/b.svg}, {metric: mIoU, file: a/./b.svg}]',
            'two plots go to a/./b.svg',
        ),
        (
            'weight: [0.5, 1.0], size: [64]}',
            'weight: [0.5, null]}\n    plots: [{metric: AP, x: weight}]',
            r'x: weight has the values \[0.5, None\]',
        ),
        ('variables: {epochs: 2}', 'variables: [epochs]', 'variables: expected a mapping'),
        ('variables: {epochs: 2}', 'variables: {on: 2}', 'variables: "True" cannot .*in quotes'),
        ('weight: [0.5, 1.0]', '1: [1]', 'grid: "1" cannot .*in quotes'),
        ('baseline: {train', 'off: {train', 'stages: "False" cannot .*in quotes'),
        (
            "options: {train_cfg: {max_epochs: '{epochs}'}}",
            'options: [a]',
            'options: expected a map',
        ),
        (
            "options: {weight: '{weight}', train_cfg.max_epochs: 9}",
            'options: [a]',
            'step2: options: expected a mapping',
        ),
        (
            '{train: baseline.py}',
            '{test: baseline.py, checkpoint: null}',
            'names a "checkpoint"',
        ),
        ('{train: baseline.py}', '{train: baseline.py, tools: 3}', 'tools: expected one string'),
        ('{train: baseline.py}', '{train: baseline.py, tta: 1}', 'tta: expected true or false'),
        ('{train: baseline.py}', '{train: baseline.py, tta: true}', '"tta" belongs to test'),
        (
            '{train: baseline.py}',
            '{test: baseline.py, checkpoint: a.pth, tools: mmdet, tta: true}',
            '"tta" belongs to test stages of our tools',
        ),
        (
            'seeds: [0, 1]',
            'table: {rows: {a: {stage: baseline, metrics: [mIoU]}}}',
            'a: metrics: expected a mapping',
        ),
    ],
)
def test_faulty_recipes_are_refused_with_their_place(write_recipe, old, new, message):
    assert old in MINIMAL
    path = write_recipe(MINIMAL.replace(old, new))
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)


def test_numbers_that_yaml_takes_for_text(write_recipe):
    text = MINIMAL.replace('[0.5, 1.0]', '[1e-3, 0.01, text, 5e, -2.5E+1]')
    recipe = read_recipe(write_recipe(text), variables={'epochs': '1e1'})
    assert [point['weight'] for point in recipe.points] == [0.001, 0.01, 'text', '5e', -25.0]
    assert recipe.variables['epochs'] == 10.0


def test_unknown_names_on_the_command_line_are_refused(write_recipe):
    with pytest.raises(RecipeError, match=r'unknown variable "epoch" .*did you mean "epochs"'):
        read_recipe(write_recipe(MINIMAL), variables={'epoch': 1})


def test_a_file_that_is_no_text_is_refused(write_recipe):
    path = write_recipe(MINIMAL)
    path.write_bytes('# für\n'.encode('latin-1') + path.read_bytes())
    with pytest.raises(RecipeError, match='cannot read the recipe'):
        read_recipe(path)


def test_headings_may_be_numbers(write_recipe):
    text = MINIMAL + '    table: {metrics: {50: coco/bbox_mAP_50}}\n'
    assert read_recipe(write_recipe(text)).table['metrics'] == {'50': 'coco/bbox_mAP_50'}


CHOICE = """
    grid: {images: [10, 20]}
    stages:
      step2:
        train: step2.py
        options: {weight: '{rate}'}
        choose: {values: {rate: [1e-3, 1e-2]}, by: mIoU, options: {randomness.seed: 3}}
      eval: {test: step2.py, checkpoint: '{step2}/last_checkpoint'}
"""


def test_a_choice_is_a_training_with_options_of_its_own(write_recipe):
    choice = read_recipe(write_recipe(CHOICE), options={'blocks': 1}).stages['step2'].choose
    assert choice.trial.tries == ({'rate': 0.001}, {'rate': 0.01})
    assert choice.trial.options == {'weight': '{rate}', 'randomness.seed': 3, 'blocks': 1}


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("{weight: '{rate}'}", '{weight: 1}', 'step2: choose: values: rate stands in no option'),
        ('rate: [1e-3, 1e-2]', 'rate: 1e-3', 'choose: values: rate: expected a list'),
        ('{rate: [1e-3, 1e-2]}', '{}', 'choose: values: expected at least one variable'),
        ('by: mIoU', 'metric: mIoU', 'choose: unknown key "metric"'),
        (', by: mIoU', '', 'choose: by: expected the name of a metric'),
        ("checkpoint: '{step2}", "checkpoint: '{rate}", 'eval: unknown placeholder "rate"'),
        ("checkpoint: '{step2}", "checkpoint: '{step2_trial}", 'unknown placeholder "step2_trial"'),
        ("last_checkpoint'}", "a', choose: {}}", 'eval: "choose" belongs to train stages'),
        ('eval: {', 'step2_trial: {', 'step2_trial would mean two things'),
        ('images: [10, 20]', 'rate: [10, 20]', 'rate would mean two things'),
        ('stages:', 'average: [image]\n    stages:', 'average: unknown variable.*mean "images"'),
        ('stages:', 'average: images\n    stages:', 'average: expected a list'),
        (
            'stages:',
            'plots: [{metric: mIoU, x_scale: lgo}]\n    stages:',
            'x_scale: unknown scale.*mean "log"',
        ),
        (
            'stages:',
            'plots: [{metric: mIoU, spread: std}]\n    stages:',
            'spread: unknown spread "std"',
        ),
        (
            '[10, 20]}',
            '[0, 20]}\n    plots: [{metric: mIoU, x: images, x_scale: log}]',
            r'images has the values \[0, 20\]; x_scale: log is for positive',
        ),
    ],
)
def test_faulty_choices_averages_and_scales_are_refused(write_recipe, old, new, message):
    assert old in CHOICE
    with pytest.raises(RecipeError, match=message):
        read_recipe(write_recipe(CHOICE.replace(old, new)))
