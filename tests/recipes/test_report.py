"""The table, the numbers and the plots of a recipe, against numbers worked out by hand."""

import contextlib
import json
import statistics

import numpy as np
import pytest
from matplotlib.figure import Figure

from labelenc_mm.recipes import Executor, LaunchSettings, make_plan, read_recipe, write_report
from labelenc_mm.recipes.checks import RecipeError
from labelenc_mm.recipes.logs import read_curves
from labelenc_mm.recipes.plot import write_plot
from labelenc_mm.recipes.report import format_seconds, format_spread
from labelenc_mm.recipes.results import Result, collect_results

RECIPE = """
    grid: {weight: [0.1, -0.2]}
    seeds: [0, 2]
    stages:
      baseline: {train: baseline.py}
      step2: {train: step2.py, options: {weight: '{weight}'}}
      eval: {test: baseline.py, checkpoint: '{baseline}/epoch_2.pth'}
    table:
      metrics: {AP: coco/bbox_mAP}
      rows:
        Plain: baseline
        Ours: step2
        Ours, best: {stage: step2, pick: best}
        Evaluated: eval
    plots:
      - {metric: coco/bbox_mAP, stages: [baseline, step2], file: curves.png}
      - {metric: coco/bbox_mAP, stages: [step2], x: weight, file: plots/sweep.PNG}
"""


@pytest.fixture
def report(write_recipe, fake_tools, tmp_path):
    work_dir = tmp_path / 'work'
    plan = make_plan(read_recipe(write_recipe(RECIPE)), work_dir, fake_tools)
    assert Executor(plan, work_dir, LaunchSettings(fake_tools, jobs=2), 'abc123').execute() == 0
    return write_report(plan, work_dir)


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_table_has_mean_and_spread_over_seeds(report):
    # the stand-in's metric is epoch * weight + seed, for 3 epochs and seeds 0 and 2
    table = {(row[0], row[1]): row[2] for row in rows_of(report)}
    spread = statistics.stdev([0, 2])
    assert table['Plain', ''] == f'{1 + 0.3:.2f} ± {spread:.2f}'
    assert table['Ours', '0.1'] == f'{1 + 0.3:.2f} ± {spread:.2f}'
    assert table['Ours', '-0.2'] == f'{1 - 0.6:.2f} ± {spread:.2f}'
    assert table['Ours, best', '-0.2'] == f'{1 - 0.2:.2f} ± {spread:.2f}'
    assert table['Evaluated', ''] == '0.200 ± 0.000'  # epoch 2, over 10
    assert rows_of(report)[0] == ['run', 'weight', 'AP', 'seeds', 'epochs', 'iterations', 'time']
    assert rows_of(report)[2][3:6] == ['0 2', '3', '30']


def test_first_epoch_at_the_end_result_of_another_stage(write_recipe, fake_tools, tmp_path):
    # the stand-in's metric after an epoch is epoch * weight + seed: the baseline ends at 0.3 + seed,
    # 1.3 in the mean of seeds 0 and 2; step 2 with weight 0.7 starts at 0.7 + seed.
    text = RECIPE.replace('[0.1, -0.2]', '[0.7, -0.2]').replace(
        'table:\n', 'table:\n      reach: {metric: coco/bbox_mAP, stage: baseline}\n'
    )
    plan = make_plan(read_recipe(write_recipe(text)), tmp_path / 'work', fake_tools)
    Executor(plan, tmp_path / 'work', LaunchSettings(fake_tools, jobs=2), 'abc').execute()
    lines = rows_of(write_report(plan, tmp_path / 'work'))
    column = lines[0].index('reaches baseline at')
    reached = {(line[0], line[1]): line[column] for line in lines}
    assert reached['Ours', '0.7'] == '1.5'  # seed 0: 1.4 at epoch 2; seed 2: 2.7 at epoch 1
    assert reached['Ours', '-0.2'] == '1 (1 of 2)'  # seed 0 falls; seed 2: 1.8
    assert reached['Evaluated', ''] == '-'  # no curve


COSTS = """
    seeds: [0, 2]
    stages:
      baseline: {train: baseline.py, cost: 1}
      step1: {train: step1.py, cost: 2}
      step2: {train: step2.py, cost: 1.5, requires: [step1]}
      third: {train: step2.py, cost: 1, requires: [step1, step2]}
      free: {train: baseline.py, requires: [step1]}
    table:
      metrics: {AP: coco/bbox_mAP, other: other}
      quarters: [AP]
    plots:
      - {metric: coco/bbox_mAP, stages: [step2, free], x: cost, file: curves.png}
"""


def test_costs_add_up_over_the_trainings_that_one_builds_on(
    write_recipe, fake_tools, tmp_path, monkeypatch
):
    drawn = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure, 'savefig', lambda self, *a, **k: (drawn.append(self), savefig(self, *a, **k))
    )
    plan = make_plan(read_recipe(write_recipe(COSTS)), tmp_path / 'work', fake_tools)
    Executor(plan, tmp_path / 'work', LaunchSettings(fake_tools, jobs=2), 'abc').execute()
    heading, _, *lines = rows_of(write_report(plan, tmp_path / 'work'))
    column = heading.index('cost')
    # Of 3 epochs each; what is needed twice is paid once.
    assert {line[0]: line[column] for line in lines} == {
        'baseline': '3',
        'step1': '6',
        'step2': '10.5',
        'third': '13.5',
        'free': '-',
    }
    (line,) = drawn[0].axes[0].lines
    assert list(line.get_xdata()) == [6 + 1.5, 6 + 3, 6 + 4.5]


def test_quarters_are_the_last_validation_before_them(write_recipe, fake_tools, tmp_path):
    plan = make_plan(read_recipe(write_recipe(COSTS), seeds=[1]), tmp_path / 'work', fake_tools)
    Executor(plan, tmp_path / 'work', LaunchSettings(fake_tools, jobs=2), 'abc').execute()
    lines = rows_of(write_report(plan, tmp_path / 'work'))
    first = lines[0].index('AP at 1/4')
    assert lines[0][first : first + 3] == ['AP at 1/4', 'AP at 1/2', 'AP at 3/4']
    # 3 epochs: their quarters end after 0.75, 1.5 and 2.25; the stand-in gives epoch * 0.1 + seed.
    assert lines[2][first : first + 3] == ['-', '1.10', '1.20']


@pytest.mark.parametrize(
    ('before', 'after', 'message'),
    [
        ('cost: 2', 'cost: -2', '"cost" is of a train stage'),
        ('cost: 2', 'cost: [2]', 'expected a number'),
        ('train: step1.py', "command: 'ls'", '"cost" is of a train stage'),
        ('quarters: [AP]', 'quarters: [AR]', 'AR'),
    ],
)
def test_costs_and_quarters_are_checked(before, after, message, write_recipe):
    with pytest.raises(RecipeError, match=message):
        read_recipe(write_recipe(COSTS.replace(before, after)))


def test_seeds_and_commit_stand_below_the_table(report, tmp_path):
    assert 'seeds 0 2, commit abc123' in report
    assert (tmp_path / 'work' / 'table.md').read_text() == report


def test_all_numbers_are_in_the_json(report, tmp_path):
    content = json.loads((tmp_path / 'work' / 'results.json').read_text())
    run = content['runs']['step2-weight=-0.2-seed=2']
    assert list(run['curves']['coco/bbox_mAP']) == ['1', '2', '3']
    assert run['curves']['coco/bbox_mAP']['3'] == pytest.approx(2 - 0.6)
    assert content['missing'] == []
    for name in ('curves.png', 'plots/sweep.PNG'):
        assert (tmp_path / 'work' / name).read_bytes().startswith(b'\x89PNG')


def plotted(monkeypatch, tmp_path, spec, *results):
    """Labels and points of the lines of a plot, dotted ones apart."""
    figures = []
    monkeypatch.setattr(Figure, 'savefig', lambda figure, *_, **__: figures.append(figure))
    monkeypatch.setattr('labelenc_mm.recipes.plot.replacing', contextlib.nullcontext)
    spec = {'x_scale': 'linear', 'spread': 'range', 'stages': {'Ours': 'step'}, **spec}
    write_plot(spec, results, tmp_path / 'plot.png')
    lines = figures[0].axes[0].get_lines()
    drops = [line.get_xdata()[0] for line in lines if line.get_linestyle() == ':']
    curves = [line.get_xydata().tolist() for line in lines if line.get_linestyle() != ':']
    return curves, drops


def result_of(tmp_path, records, epoch_length):
    folder = tmp_path / '1' / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, records)))
    return Result(
        'run', 'step', {}, {}, 1.0, 40, epoch_length, [], {},
        read_curves(tmp_path), read_curves(tmp_path, training=True),
    )  # fmt: skip


@pytest.mark.parametrize(('x', 'scale'), [('iteration', 1), ('epoch', 1 / 20)])
def test_losses_of_a_training_are_drawn_with_the_drops_of_its_rate(x, scale, monkeypatch, tmp_path):
    records = [
        {'lr': 0.1 if step <= 20 else 0.01, 'loss': 1 / step, 'step': step}
        for step in range(5, 41, 5)
    ]
    records[4:4] = [{'mIoU': 10.0, 'step': 1}]
    result = result_of(tmp_path, [*records, {'mIoU': 20.0, 'step': 2}], epoch_length=20)
    curves, drops = plotted(monkeypatch, tmp_path, {'metric': 'loss', 'x': x}, result)
    expected = [[step * scale, 1 / step] for step in range(5, 41, 5)]
    np.testing.assert_allclose(curves, [expected])
    assert drops == [25 * scale]
    curves, drops = plotted(monkeypatch, tmp_path, {'metric': 'mIoU', 'x': x}, result)
    np.testing.assert_allclose(curves, [[[20 * scale, 10], [40 * scale, 20]]])
    assert drops == []


def test_losses_of_a_long_training_are_averaged_and_a_rate_that_glides_drops_nowhere(
    monkeypatch, tmp_path
):
    """1000 entries: five at each of 200 places. The rate ends at a thousandth, without a step."""
    records = [
        {'lr': 1 - step / 1001, 'loss': step % 5 + step // 5, 'step': step + 1}
        for step in range(1000)
    ]
    result = result_of(tmp_path, records, epoch_length=0)
    curves, drops = plotted(monkeypatch, tmp_path, {'metric': 'loss', 'x': 'iteration'}, result)
    assert curves == [[[5 + 5 * place, 2 + place] for place in range(200)]] and drops == []


def test_losses_of_runs_of_unequal_length_are_averaged_where_both_have_some(monkeypatch, tmp_path):
    runs = [
        result_of(
            tmp_path / str(last), [{'lr': 1, 'loss': loss, 'step': s + 1} for s in range(last)], 0
        )
        for last, loss in ((400, 1.0), (450, 3.0))
    ]
    (curve,), _ = plotted(monkeypatch, tmp_path, {'metric': 'loss', 'x': 'iteration'}, *runs)
    assert curve == [[place, 2.0 if place <= 402 else 3.0] for place in range(3, 451, 3)]


def test_a_rate_of_zero_drops_nowhere_and_the_base_rate_tells(monkeypatch, tmp_path):
    records = [{'lr': 0.0, 'loss': 1.0, 'step': step} for step in (5, 10, 15, 20)]
    spec = {'metric': 'loss', 'x': 'iteration'}
    _, drops = plotted(monkeypatch, tmp_path, spec, result_of(tmp_path / '1', records, 0))
    assert drops == []
    records = [{**record, 'base_lr': 0.1 if record['step'] < 15 else 0.01} for record in records]
    _, drops = plotted(monkeypatch, tmp_path, spec, result_of(tmp_path / '2', records, 0))
    assert drops == [15]


@pytest.mark.parametrize(
    ('metric', 'losses'), [('loss', {10: 1, 20: 1 / 2, 30: 1 / 3}), ('coco/bbox_mAP', None)]
)
def test_a_log_is_read_for_its_losses_only_where_a_plot_draws_them(
    metric, losses, write_recipe, fake_tools, tmp_path
):
    work_dir = tmp_path / 'work'
    recipe = f"""
    stages: {{baseline: {{train: baseline.py}}}}
    plots: [{{metric: {metric}, x: iteration, stages: [baseline], file: curves.png}}]
    """
    plan = make_plan(read_recipe(write_recipe(recipe)), work_dir, fake_tools)
    assert Executor(plan, work_dir, LaunchSettings(fake_tools), 'abc123').execute() == 0
    (result,) = collect_results(plan, work_dir)
    assert result.training.get('loss') == losses and result.metrics['coco/bbox_mAP']


def test_a_plot_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(figure, path, **_):
        path.write_bytes(b'half a picture')
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, 'savefig', fail)
    path = tmp_path / 'curves.png'
    path.write_bytes(b'whole')
    with pytest.raises(KeyboardInterrupt):
        write_plot({'metric': 'AP', 'x': 'epoch', 'x_scale': 'linear', 'stages': {}}, [], path)
    assert path.read_bytes() == b'whole'


def test_a_test_in_the_folder_of_a_training_does_not_count_as_its_result(
    write_recipe, fake_tools, tmp_path
):
    work_dir = tmp_path / 'work'
    plan = make_plan(read_recipe(write_recipe(RECIPE)), work_dir, fake_tools, ['baseline'])
    Executor(plan, work_dir, LaunchSettings(fake_tools, jobs=2), 'abc').execute()
    before = write_report(plan, work_dir)
    folder = work_dir / 'baseline-seed=0' / '20990101_000000'
    folder.mkdir(parents=True)
    (folder / f'{folder.name}.json').write_text(json.dumps({'coco/bbox_mAP': 99.0}))
    assert write_report(plan, work_dir) == before


@pytest.mark.parametrize(
    ('values', 'text'),
    [([], '-'), ([0.4567], '0.457'), ([45.678], '45.68'), ([0.4, 0.5, 0.6], '0.500 ± 0.100')],
)
def test_spread(values, text):
    assert format_spread(values) == text


@pytest.mark.parametrize(
    ('seconds', 'text'), [(12.4, '12 s'), (210, '3.5 min'), (3725, '1 h 02 min')]
)
def test_seconds(seconds, text):
    assert format_seconds(seconds) == text
