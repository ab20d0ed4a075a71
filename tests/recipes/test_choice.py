"""Values that are chosen by trials, averages over variables, and snapshots of one training."""

import json
import math
import statistics

import pytest
from matplotlib.figure import Figure

from labelenc_mm.recipes import (
    Executor,
    LaunchSettings,
    RecipeError,
    decide,
    make_plan,
    read_recipe,
    read_state,
    write_report,
)
from labelenc_mm.recipes.choice import best_trial

# The stand-in's metric is epoch * weight + seed, for 3 epochs.
RECIPE = """
    variables: {broken: false}
    grid:
      - {images: 10, subset: 0}
      - {images: 100, subset: 0}
      - {images: 100, subset: 4}
    average: [subset]
    stages:
      pretrain: {train: step1.py, options: {randomness.seed: 0}}
      tuned:
        train: step2.py
        requires: [pretrain]
        options: {weight: '{rate}', broken: '{broken}', randomness.seed: '{subset}', blocks: '{images}'}
        choose:
          values: {rate: [0.1, 0.3, -0.2]}
          by: coco/bbox_mAP
          options: {blocks: 0, randomness.seed: 0}
      baseline: {train: baseline.py, options: {blocks: '{images}', randomness.seed: '{subset}'}}
    table: {metrics: {AP: coco/bbox_mAP}}
    plots:
      - metric: coco/bbox_mAP
        stages: {Plain: baseline, Rate chosen: tuned}
        x: images
        x_scale: log
        spread: deviation
"""
TRIALS = [f'tuned_trial-rate={rate}' for rate in (0.1, 0.3, -0.2)]


@pytest.fixture
def run_recipe(write_recipe, fake_tools, tmp_path):
    """Runs a recipe; returns its plan, its folder and the number of failures."""

    def run(text=RECIPE, **variables):
        plan = make_plan(
            read_recipe(write_recipe(text), variables=variables), tmp_path / 'work', fake_tools
        )
        executor = Executor(plan, tmp_path / 'work', LaunchSettings(fake_tools, jobs=2))
        return plan, tmp_path / 'work', executor.execute()

    return run


def test_trials_run_once_and_the_stage_takes_the_best(run_recipe):
    plan, work, failures = run_recipe()
    assert failures == 0
    assert [name for name in plan.runs if name.startswith('pretrain')] == ['pretrain']
    assert [name for name in plan.runs if 'trial' in name] == TRIALS
    finals = [run for name, run in plan.runs.items() if name.startswith('tuned-')]
    assert [run.name for run in finals] == [
        'tuned-images=10-subset=0',
        'tuned-images=100-subset=0',
        'tuned-images=100-subset=4',
    ]
    for run in finals:
        log = (work / run.name / 'output.log').read_text()
        assert 'weight=0.3' in log
        assert f'blocks={run.values["images"]}' in log
        assert decide(run, work).fill('{rate}') == 0.3
        record = json.loads((work / run.name / 'recipe_run.json').read_text())
        assert record['inputs'].keys() == {'pretrain', *TRIALS}
    assert all('blocks=0' in (work / name / 'output.log').read_text() for name in TRIALS)


def test_what_was_chosen_is_no_change_and_other_values_are(run_recipe, write_recipe, fake_tools):
    plan, work, _ = run_recipe()
    assert {read_state(run, work) for run in plan.runs.values()} == {'done'}
    other = read_recipe(write_recipe(RECIPE.replace('[0.1, 0.3, -0.2]', '[0.1, 0.3]')))
    run = make_plan(other, work, fake_tools).runs['tuned-images=10-subset=0']
    with pytest.raises(RecipeError, match='needs: .*rate=-0.2'):
        read_state(run, work)


def test_nothing_is_chosen_before_the_trials_are_done(write_recipe, fake_tools, tmp_path):
    plan = make_plan(read_recipe(write_recipe(RECIPE)), tmp_path, fake_tools)
    run = plan.runs['tuned-images=10-subset=0']
    assert decide(run, tmp_path).option_strings(tmp_path)[0] == 'weight=<rate>'


def test_a_trial_that_fails_stops_what_takes_its_value_and_nothing_else(run_recipe):
    plan, work, failures = run_recipe(broken=True)
    assert failures == 6  # three trials and three that wait for them
    states = {name for name, run in plan.runs.items() if read_state(run, work) == 'done'}
    assert states == {name for name in plan.runs if not name.startswith('tuned')}


def test_a_metric_that_no_trial_has_fails_the_run_and_is_named(run_recipe, capsys):
    plan, work, failures = run_recipe(RECIPE.replace('by: coco/bbox_mAP', 'by: mIoU'))
    assert failures == 3
    assert '| baseline |' in write_report(plan, work)
    text = ' '.join(capsys.readouterr().out.split())
    assert 'choose: by: the log of tuned_trial-rate=0.1 has no mIoU' in text
    assert 'has left coco/bbox_mAP' in text


def test_the_best_is_the_first_of_equals_and_never_one_that_diverged():
    assert best_trial({'a': math.nan, 'b': 1.0, 'c': 2.0, 'd': 2.0}) == 'c'


def test_the_report_averages_over_subsets_and_tells_what_was_chosen(run_recipe):
    plan, work, _ = run_recipe()
    text = write_report(plan, work)
    lines = [line for line in text.splitlines() if line.startswith('|')]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert rows[0] == ['run', 'images', 'AP', 'runs', 'epochs', 'iterations', 'time']
    cells = {(row[0], row[1]): row[2:4] for row in rows}
    spread = statistics.stdev([0, 4])
    assert cells['tuned', '10'] == ['0.900', '1']
    assert cells['tuned', '100'] == [f'2.90 ± {spread:.2f}', '2']
    assert cells['baseline', '100'] == [f'2.30 ± {spread:.2f}', '2']
    assert ('pretrain', '') in cells
    assert 'over subset.' in text
    scores = f'{TRIALS[0]} 0.300, {TRIALS[1]} 0.900, {TRIALS[2]} -0.600'
    assert f'tuned: rate 0.3, by coco/bbox_mAP of {scores}.' in text
    choice = json.loads((work / 'results.json').read_text())['choices']
    assert [each['values'] for each in choice] == [{'rate': 0.3}]


def test_a_plot_over_labelled_images_has_bars_and_a_logarithmic_axis(run_recipe, monkeypatch):
    plan, work, _ = run_recipe()
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, 'savefig', lambda f, *a, **k: (figures.append(f), save(f, *a, **k)))
    write_report(plan, work)
    (axes,) = figures[0].axes
    assert axes.get_xscale() == 'log'
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ['10', '100']
    drawn = {bars.get_label(): bars for bars in axes.containers}
    assert drawn.keys() == {'Plain', 'Rate chosen'}
    line, _, (bars,) = drawn['Rate chosen'].lines
    assert line.get_xdata().tolist() == [10, 100]
    assert line.get_ydata().tolist() == pytest.approx([0.9, 2.9])
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    spread = statistics.stdev([0, 4])
    assert ends[0] == pytest.approx([0.9, 0.9])
    assert ends[1] == pytest.approx([2.9 - spread, 2.9 + spread])


def test_snapshots_of_one_training_are_points_of_the_grid(run_recipe):
    plan, work, failures = run_recipe("""
    grid: {snapshot: [1, 2, 3]}
    stages:
      pretrain: {train: step1.py, options: {randomness.seed: 0}}
      downstream:
        train: step2.py
        options: {init_from: '{pretrain}/epoch_{snapshot}.pth', weight: '{snapshot}'}
    plots: [{metric: coco/bbox_mAP, stages: [downstream], x: snapshot}]
    """)
    assert failures == 0
    assert len(plan.runs) == 4
    for snapshot in (1, 2, 3):
        log = (work / f'downstream-snapshot={snapshot}-seed=0' / 'output.log').read_text()
        assert f'starts from epoch {snapshot}' in log
