"""A schedule is searched by a score, written down, and followed by another training."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch.distributed as dist
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.registry import HOOKS, METRICS
from mmengine.runner import Runner
from toy import config
from training_runs import run_script

from labelenc_mm.engine.schedule_search import ScheduleError, read_schedule

# Score after so many iterations: no better from 8 on, one step up after 14, no better from there on.
SCORES = {2: 1, 4: 2, 6: 3, 8: 4, 10: 4, 12: 3, 14: 5}
SEARCH = dict(
    train_cfg=dict(type='IterBasedTrainLoop', max_iters=40, val_interval=2),
    param_scheduler=[
        dict(type='ReduceOnPlateauLR', monitor='score', rule='greater', factor=0.5, patience=1)
    ],
)
RATES = [0.01] * 12 + [0.005] * 6 + [0.0025] * 4  # of the schedule that is found


@METRICS.register_module()
class ScriptedScore(BaseMetric):
    """A score of the number of iterations alone."""

    def process(self, data_batch, data_samples):
        self.results.append(None)

    def compute_metrics(self, results):
        done = MessageHub.get_current_instance().get_info('iter') + 1
        return {'score': SCORES.get(done, 5)}


@HOOKS.register_module()
class RatesHook(Hook):
    """Keeps the rate of each iteration."""

    def __init__(self):
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.param_groups[0]['lr'])


def train(work_dir, search=True, checkpoints=1000, **options):
    """Train and return the rates of all iterations."""
    cfg = config(work_dir, **options)
    cfg['default_hooks']['checkpoint'].update(interval=checkpoints, by_epoch=False)
    if search:
        cfg['default_hooks']['search'] = dict(type='ScheduleSearchHook')
    loader = cfg['train_dataloader']
    cfg.update(
        train_dataloader={**loader, 'sampler': dict(type='InfiniteSampler')},
        val_dataloader=loader,
        val_evaluator=dict(type='ScriptedScore'),
        val_cfg=dict(type='ValLoop'),
        custom_hooks=[dict(type='RatesHook')],
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    (hook,) = [h for h in runner.hooks if isinstance(h, RatesHook)]
    return hook.rates


@pytest.fixture(scope='module')
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp('search')
    rates = train(folder, checkpoints=2, **SEARCH)
    return folder / 'schedule.json', rates


def test_the_rate_drops_when_the_score_stalls_and_the_third_stall_ends_it(searched):
    path, rates = searched
    found = json.loads(path.read_text())
    assert (found['drops'], found['end'], found['factor']) == ([12, 18], 22, 0.5)
    assert found['scores'] == {str(k): SCORES.get(k, 5) for k in range(2, 24, 2)}
    assert rates == pytest.approx(RATES)


def test_drops_are_seen_where_the_first_parameters_do_not_learn(searched, tmp_path):
    frozen = dict(
        optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
        paramwise_cfg=dict(custom_keys={'net.0': dict(lr_mult=0)}),
    )
    rates = train(tmp_path, optim_wrapper=frozen, **SEARCH)
    assert rates == [0] * 22  # of the first group
    found = json.loads((tmp_path / 'schedule.json').read_text())
    assert found == json.loads(searched[0].read_text())


def test_another_training_follows_the_schedule(searched, tmp_path):
    path, _ = searched
    follow = dict(
        train_cfg=dict(type='FoundScheduleLoop', schedule=str(path), val_interval=100),
        param_scheduler=[dict(type='FoundScheduleLR', schedule=str(path))],
    )
    assert train(tmp_path / 'a', search=False, checkpoints=16, **follow) == pytest.approx(RATES)
    start = str(tmp_path / 'a' / 'iter_16.pth')
    rates = train(tmp_path / 'b', search=False, resume=True, load_from=start, **follow)
    assert rates == pytest.approx(RATES[16:])


@pytest.mark.parametrize('done', [10, 12, 16, 22])
def test_a_resumed_search_finds_the_same(searched, tmp_path, done):
    """A checkpoint is written before the validation of the same iteration: 12 is that of a drop."""
    path, _ = searched
    (tmp_path / 'resumed').mkdir()
    shutil.copy(path, tmp_path / 'resumed')  # with all that came after the checkpoint
    start = str(path.parent / f'iter_{done}.pth')
    rates = train(tmp_path / 'resumed', resume=True, load_from=start, **SEARCH)
    assert json.loads((tmp_path / 'resumed' / 'schedule.json').read_text()) == json.loads(
        path.read_text()
    )
    assert rates == pytest.approx(RATES[done:])


def main(folder):
    """One rank: a search, and the rest of it once more from its checkpoint."""
    folder = Path(folder)
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    own = folder / str(rank)
    rates = train(own, checkpoints=2, **SEARCH)
    dist.barrier()
    start = str(folder / '0' / 'iter_12.pth')
    resumed = train(own, resume=True, load_from=start, **SEARCH)
    found = dict(rates=rates, resumed=resumed, has_file=(own / 'schedule.json').is_file())
    (folder / f'{rank}.json').write_text(json.dumps(found))
    dist.barrier()  # who leaves early may take along what the other still waits for
    dist.destroy_process_group()


def test_two_processes_drop_and_end_together(searched, tmp_path):
    """Though the first one alone computes the score and has the file."""
    run_script(__file__, tmp_path, work_dir=tmp_path, processes=2, timeout=120)
    for rank in range(2):
        of_rank = json.loads((tmp_path / f'{rank}.json').read_text())
        assert of_rank['rates'] == pytest.approx(RATES)
        assert of_rank['resumed'] == pytest.approx(RATES[12:])
        assert of_rank['has_file'] == (rank == 0)
    found = json.loads((tmp_path / '0' / 'schedule.json').read_text())
    assert found == json.loads(searched[0].read_text())


def test_a_search_that_is_too_short_says_so(tmp_path):
    options = {**SEARCH, 'train_cfg': {**SEARCH['train_cfg'], 'max_iters': 16}}
    train(tmp_path, log_level='WARNING', **options)
    found = read_schedule(str(tmp_path / 'schedule.json'))
    assert (found['drops'], found['end']) == ([12], 16)
    (log,) = tmp_path.glob('*/*.log')
    assert 'after 1 of 2 drops and before the score stalled again' in log.read_text()


def test_a_search_needs_a_scheduler_that_looks_at_a_score(tmp_path):
    options = {**SEARCH, 'param_scheduler': [dict(type='StepLR', step_size=3, by_epoch=False)]}
    with pytest.raises(ScheduleError, match='has 0 schedulers that look at a score'):
        train(tmp_path, **options)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, r'none\.json cannot be read \(FileNotFoundError'),
        ('{', 'cannot be read .*expected the schedule.json of a search'),
        ('{"drops": []}', 'lacks some of drops, end, factor, scores'),
        ('{"drops": [], "end": null, "factor": 1, "scores": {}}', 'has not ended: resume it'),
    ],
)
def test_what_is_no_schedule_is_refused(tmp_path, text, message):
    path = tmp_path / 'none.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScheduleError, match=message):
        read_schedule(str(path))


if __name__ == '__main__':
    main(*sys.argv[1:])
