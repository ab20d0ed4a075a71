"""A method of a third kind hands over, takes and exports with the means of the others."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from third_kind import NAMES

from labelenc_mm.handover.artefact import ArtefactError, load_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file


def runner_of(work_dir, model, classes=NAMES):
    config = Config(
        dict(
            model=model,
            work_dir=str(work_dir),
            train_dataloader=dict(
                dataset=dict(type='Numbers', classes=classes),
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate'),
                batch_size=4,
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(logger=None, copied=dict(type='CopierHook')),
            default_scope='mmengine',
            experiment_name=work_dir.name,
        )
    )
    return Runner.from_cfg(config)


@pytest.fixture
def copier(tmp_path):
    runner = runner_of(tmp_path / 'copier', dict(type='Copier'))
    runner.train()
    return runner


def test_pretraining_leaves_what_it_declares_and_no_stock_model(copier, tmp_path):
    tensors, metadata = load_tensors(tmp_path / 'copier' / 'copier.safetensors')
    state = copier.model.state_dict()
    assert tensors.keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in tensors.items())
    assert metadata['classes'] == list(NAMES) and metadata['width'] == 4
    assert not list((tmp_path / 'copier').glob('exported*'))


def test_next_training_takes_it_keeps_it_frozen_and_exports_the_stock_model(copier, tmp_path):
    path = str(tmp_path / 'copier' / 'copier.safetensors')
    runner = runner_of(tmp_path / 'counter', dict(type='Counter', copied=dict(init_from=path)))
    runner.train()
    tensors, state = load_tensors(path)[0], runner.model.state_dict()
    for name in ('weight', 'bias'):
        assert torch.equal(state[f'copied.encoder.{name}'], tensors[f'encoder.{name}'])
    assert not torch.equal(state['trunk.0.weight'], tensors['trunk.0.weight'])
    exported = load_checkpoint_file(tmp_path / 'counter' / 'exported_counter.pth')
    assert exported['state_dict'].keys() == {k for k in state if not k.startswith('copied.')}
    init_default_scope('mmengine')
    stock = MODELS.build(dict(type='StockCounter'))
    stock.load_state_dict(exported['state_dict'], strict=True)
    numbers = [torch.tensor([0.5, 2.0])]
    assert torch.equal(stock(numbers, 'predict')[0], runner.model(numbers, 'predict')[0])
    stock_config = Config.fromstring(exported['meta']['cfg'], '.py')
    assert stock_config.model == dict(type='StockCounter')


def test_other_labels_than_those_of_the_artefact_are_refused(copier, tmp_path):
    path = str(tmp_path / 'copier' / 'copier.safetensors')
    model = dict(type='Counter', copied=dict(init_from=path))
    runner = runner_of(tmp_path / 'counter', model, ('two', 'one'))
    with pytest.raises(ArtefactError, match='trained on other labels'):
        runner.train()
