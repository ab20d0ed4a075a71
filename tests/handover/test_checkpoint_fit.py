"""A training resumes from its own checkpoints alone, and takes our parts as a whole or not at all."""

import pytest
import torch
import toy
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner._flexible_runner import FlexibleRunner
from torch import nn

from labelenc_mm.handover.checkpoint_fit import CheckpointFitHook, check_checkpoint
from labelenc_mm.toolbox.safe_loading import CheckpointError

EMA = {'custom_hooks': [{'type': 'EMAHook'}]}


class Ours(Hook):
    """As the hooks of both toolboxes do."""

    def after_load_checkpoint(self, runner, checkpoint):
        check_checkpoint(runner, checkpoint, ours=('net.4.', 'other.'))


def classes(*names):
    return {'metainfo': dict(classes=names)}


def run(work_dir, kind='Runner', dataset=None, edit=None, hook=None, **options):
    cfg = toy.config(work_dir, **{'epochs': 1, 'reseed': False, **options})
    cfg['env_cfg'] = {}
    cfg['experiment_name'] = f'{work_dir.parent.name} {work_dir.name}'
    cfg['train_dataloader']['dataset'].update(dataset or {})
    build = {'Runner': Runner.from_cfg, 'FlexibleRunner': FlexibleRunner.from_cfg}[kind]
    runner = build(cfg)
    runner.register_hook(hook or CheckpointFitHook())
    if edit is not None:
        edit(runner.model)
    runner.train()
    return runner


@pytest.fixture
def first(tmp_path):
    """The checkpoint of one epoch, whose classes are a and b."""
    run(tmp_path / 'first', dataset=classes('a', 'b'))
    return str(tmp_path / 'first' / 'epoch_1.pth')


def resume(tmp_path, first, **options):
    options = {'dataset': classes('a', 'b'), 'epochs': 2, **options}
    return run(tmp_path / 'second', resume=True, load_from=first, **options)


def wider(model):
    model.net[4] = nn.Linear(8, 3)


@pytest.mark.parametrize('kind', ['Runner', 'FlexibleRunner'])
def test_the_same_training_resumes(tmp_path, kind):
    options = dict(kind=kind, dataset=classes('a'), model={'type': 'ToyModel', 'dropout': 0.1})
    run(tmp_path / 'first', **options)
    start = str(tmp_path / 'first' / 'epoch_1.pth')
    again = run(tmp_path / 'second', epochs=2, resume=True, load_from=start, **options)
    assert again.iter == 10


def add_norm(model):
    model.net[1] = nn.BatchNorm1d(8)


def test_buffers_that_old_checkpoints_lack(tmp_path):
    run(tmp_path / 'first', edit=add_norm)
    start = str(tmp_path / 'first' / 'epoch_1.pth')
    content = torch.load(start, weights_only=False)
    del content['state_dict']['net.1.num_batches_tracked']
    # as of a distributed run whose model was saved with its wrapper
    content['state_dict'] = {f'module.{key}': v for key, v in content['state_dict'].items()}
    torch.save(content, start)
    resume(tmp_path, start, edit=add_norm, dataset=None)


def test_averaged_weights_resume_and_a_misfit_is_found_before_they_load(tmp_path):
    run(tmp_path / 'first', dataset=classes('a', 'b'), **EMA)
    start = str(tmp_path / 'first' / 'epoch_1.pth')
    assert 'ema_state_dict' in torch.load(start, weights_only=False)
    resume(tmp_path, start, **EMA)
    with pytest.raises(CheckpointError, match=r'net\.4\.weight: shape \(3, 8\) here, \(1, 8\)'):
        run(
            tmp_path / 'third',
            epochs=2,
            edit=wider,
            resume=True,
            load_from=start,
            dataset=classes('a', 'b'),
            **EMA,
        )


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (wider, r'net\.4\.weight: shape \(3, 8\) here, \(1, 8\) in the file(?s:.*)net\.4\.bias'),
        (lambda model: model.net.append(nn.Linear(1, 1)), r'net\.5\.weight: missing in the file'),
        (lambda model: model.net.__delitem__(4), r'net\.4\.weight: only in the file'),
    ],
)
def test_another_model_is_refused_before_anything_is_loaded(tmp_path, first, edit, message):
    models = []

    def remember(model):
        edit(model)
        models.append(model)

    before = torch.load(first, weights_only=False)['state_dict']['net.0.weight']
    with pytest.raises(CheckpointError, match=message) as error:
        resume(tmp_path, first, edit=remember)
    assert f'load_from={first}' in str(error.value)
    assert not torch.equal(models[0].net[0].weight, before)


def test_other_classes_are_refused(tmp_path, first):
    with pytest.raises(CheckpointError, match=r"labels: 1: 'c' \(the checkpoint: 'b'\)"):
        resume(tmp_path, first, dataset=classes('a', 'c'))
    # nothing is known of them
    resume(tmp_path, first, dataset={})


def test_label_maps_with_another_meaning_of_0_are_refused(tmp_path):
    def labels(flag):
        return {'metainfo': dict(classes=('a',), reduce_zero_label=flag)}

    run(tmp_path / 'first', dataset=labels(False))
    with pytest.raises(
        CheckpointError, match=r'reduce_zero_label is True \(the checkpoint: False\)'
    ):
        resume(tmp_path, str(tmp_path / 'first' / 'epoch_1.pth'), dataset=labels(True))


@pytest.mark.parametrize('kind', ['Runner', 'FlexibleRunner'])
@pytest.mark.parametrize(
    ('keep', 'message'),
    [
        (['state_dict'], r'has no message_hub, meta\.epoch, meta\.iter'),
        (['state_dict', 'meta'], r'has no message_hub'),
        (['meta', 'message_hub', 'optimizer'], r'has no state_dict\.'),
    ],
)
def test_a_file_of_weights_alone_is_named(tmp_path, first, kind, keep, message):
    content = torch.load(first, weights_only=False)
    path = tmp_path / 'exported.pth'
    torch.save({key: content[key] for key in keep}, path)
    with pytest.raises(
        CheckpointError, match=rf'exported\.pth is no checkpoint .*{message}'
    ) as error:
        resume(tmp_path, str(path), kind=kind)
    assert f'load_from={path}' in str(error.value)


def test_without_the_state_of_the_optimizer(tmp_path, first):
    """mmengine's Runner starts it anew (``save_optimizer=False``), the other one cannot."""
    content = torch.load(first, weights_only=False)
    del content['optimizer']
    torch.save(content, first)
    resume(tmp_path, first)
    with pytest.raises(CheckpointError, match='has no optimizer'):
        run(tmp_path / 'third', 'FlexibleRunner', epochs=2, resume=True, load_from=first)


class TestLoadFrom:
    """Of parts that make sense together alone."""

    def start(self, tmp_path, first, hook=None, names=('a', 'b'), **options):
        options = {'dataset': classes(*names), **options}
        return run(tmp_path / 'second', load_from=first, hook=hook or Ours(), **options)

    def test_the_same_part_and_a_stock_rest(self, tmp_path, first):
        runner = self.start(tmp_path, first)
        assert runner.iter == 5
        self.start(tmp_path, first, edit=lambda model: model.net.insert(0, nn.Linear(6, 6)),
                   hook=CheckpointFitHook())  # fmt: skip

    def test_a_stock_model_without_it(self, tmp_path, first):
        content = torch.load(first, weights_only=False)
        stock = {k: v for k, v in content['state_dict'].items() if not k.startswith('net.4.')}
        for name, saved in (('wrapped', {'state_dict': stock, 'meta': {}}), ('bare', stock)):
            torch.save(saved, tmp_path / f'{name}.pth')
            self.start(tmp_path, str(tmp_path / f'{name}.pth'), names=('other', 'names'))

    def test_parts_that_do_not_fit(self, tmp_path, first):
        with pytest.raises(
            CheckpointError, match=r'does not fit net\.4\.\* (?s:.*)net\.4\.bias: shape'
        ):
            self.start(tmp_path, first, edit=wider)
        with pytest.raises(
            CheckpointError, match=r"does not fit(?s:.*)0: 'c' \(the checkpoint: 'a'\)"
        ):
            self.start(tmp_path, first, names=('c', 'b'))
        content = torch.load(first, weights_only=False)
        del content['state_dict']['net.4.bias']
        torch.save(content, first)
        with pytest.raises(CheckpointError, match=r'net\.4\.bias: missing in the file'):
            self.start(tmp_path, first)

    def test_the_rest_may_be_another(self, tmp_path, first):
        def other_rest(model):
            model.net[0] = nn.Linear(6, 8, bias=False)

        self.start(tmp_path, first, edit=other_rest)
