"""Checkpoints: ordinary ones load and resume; hostile and damaged ones are refused, unrun."""

import datetime
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hostile_pickles import BUFFER, RunsCode, attribute, getattr_gadget, replace_pickle, text
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.optim import scheduler
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint
from mmengine.runner import checkpoint as stock
from torch.utils.data import Dataset

from labelenc_mm.toolbox import safe_loading
from labelenc_mm.toolbox.safe_loading import CheckpointError, load_checkpoint_file


class Samples(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {'inputs': torch.tensor([float(index)])}


class Line(BaseModel):
    """A model of two numbers, small enough to train within a test."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode='loss'):
        return {'loss': (self.layer(torch.stack(inputs)) - 1).square().mean()}


def make_runner(work_dir, epochs, **kwargs):
    return Runner(
        model=Line(),
        work_dir=work_dir,
        train_dataloader={
            'dataset': Samples(),
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            'collate_fn': {'type': 'pseudo_collate'},
            'batch_size': 2,
        },
        train_cfg={'by_epoch': True, 'max_epochs': epochs},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}},
        # `end` is saved with the scheduler; left out, it would be the end of the first run.
        param_scheduler={'type': 'MultiStepLR', 'milestones': [1], 'end': 3},
        default_hooks={'logger': {'type': 'LoggerHook', 'interval': 1}},
        experiment_name=f'run{os.urandom(4).hex()}',
        **kwargs,
    )


HOSTILE = ('reduce in a zip', 'reduce in a bare pickle', 'getattr gadget', 'object array')


@pytest.fixture(params=HOSTILE)
def hostile(request, tmp_path):
    """A file that makes ``marker`` when its code runs."""
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    command = f'touch {marker}'
    if request.param == 'reduce in a zip':
        torch.save({'state_dict': {'layer.weight': torch.ones(1, 1)}, 'x': RunsCode(command)}, path)
    elif request.param == 'reduce in a bare pickle':
        path.write_bytes(pickle.dumps(RunsCode(command), protocol=2))
    elif request.param == 'getattr gadget':
        replace_pickle(path, getattr_gadget(f"__import__('os').system({command!r})"))
    else:
        torch.save({'x': np.array([RunsCode(command)], dtype=object)}, path)
    yield path
    assert not marker.exists(), 'the file ran its code'


def test_the_gadget_is_real(tmp_path):
    """Control: with the real getattr allowed, torch's restricted loading runs the gadget."""
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    replace_pickle(path, getattr_gadget(f"__import__('os').system('touch {marker}')"))
    with torch.serialization.safe_globals([getattr, HistoryBuffer]):
        torch.load(path, weights_only=True)
        assert marker.exists()
        marker.unlink()
        # The same list is in force here, and must not matter.
        with pytest.raises(CheckpointError, match=r'hostile\.pth was refused.*getattr'):
            load_checkpoint_file(path)
    assert not marker.exists()


def test_hostile_file_is_refused_by_every_loader(hostile, monkeypatch):
    # torch's and the fork's own additions to the process-wide list must not help the file.
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([getattr, eval, HistoryBuffer])
    try:
        for load in (
            load_checkpoint_file,
            CheckpointLoader.load_checkpoint,
            lambda path: load_checkpoint(Line(), path),
        ):
            with pytest.raises(CheckpointError, match=r'hostile\.pth') as caught:
                load(str(hostile))
            assert 'weights_only' not in str(caught.value), 'it must not advise unsafe loading'
        assert {getattr, eval} <= set(torch.serialization.get_safe_globals())
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def test_hostile_file_is_refused_by_resume_and_load_from(hostile, work_dir):
    for resume in (True, False):
        runner = make_runner(work_dir, 1, load_from=str(hostile), resume=resume)
        with pytest.raises(CheckpointError, match=r'hostile\.pth'):
            runner.train()


def test_hostile_download_is_refused(hostile, tmp_path, monkeypatch):
    cache = tmp_path / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    hostile.rename(cache / 'model.pth')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    url = 'https://example.invalid/zoo/model.pth'
    zoo = {'name': url}
    for function in ('get_torchvision_models', 'get_external_models', 'get_mmcls_models'):
        monkeypatch.setattr(stock, function, lambda: zoo)
    for address in (url, 'torchvision://name', 'open-mmlab://name', 'mmcls://name'):
        with pytest.raises(CheckpointError, match=r'model\.pth'):
            CheckpointLoader.load_checkpoint(address)


@pytest.mark.skipif(not hasattr(stock, '_safe_torch_load'), reason='only the fork has it')
def test_hostile_buffer_is_refused(hostile):
    """The fork's loaders of cloud storage read from memory."""
    with pytest.raises(CheckpointError, match='the downloaded checkpoint'):
        stock._safe_torch_load(io.BytesIO(hostile.read_bytes()))


def test_download_is_fetched_once_and_loaded(tmp_path, monkeypatch):
    torch.save({'a': torch.ones(2)}, tmp_path / 'source.pth')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    url = (tmp_path / 'source.pth').as_uri()
    for _ in range(2):
        loaded = stock.load_url(url, progress=False)
        assert torch.equal(loaded['a'], torch.ones(2))
        (tmp_path / 'source.pth').unlink(missing_ok=True)


def test_train_and_resume(work_dir):
    """Three epochs at once, and one epoch resumed for two more, agree in weights and history."""
    whole = make_runner(work_dir + '_whole', 3, randomness={'seed': 1})
    whole.train()
    make_runner(work_dir, 1, randomness={'seed': 1}).train()
    resumed = make_runner(work_dir, 3, randomness={'seed': 1}, resume=True)
    resumed.train()
    assert resumed.iter == whole.iter == 6
    history = resumed.message_hub.get_scalar('train/loss')
    assert len(history.data[0]) == 6
    assert history.mean(6) == pytest.approx(np.mean(history.data[0]))
    learning_rates = resumed.message_hub.get_scalar('train/lr').data[0]
    assert list(learning_rates) == list(whole.message_hub.get_scalar('train/lr').data[0])


@pytest.mark.parametrize('zip_format', [True, False])
def test_plain_content_is_unchanged(tmp_path, zip_format):
    path = tmp_path / 'plain.pth'
    shared = torch.randn(3, 2)
    content = {
        'state_dict': {'a': shared, 'b': shared.t(), 'c': torch.tensor(1, dtype=torch.int64)},
        'meta': {'classes': ('cat', 'dog'), 'palette': [(1, 2, 3)], 'n': None, 'x': {1.5, True}},
        'numpy': [np.float64(2.5), np.int64(-3), np.bool_(True), np.arange(6.0).reshape(2, 3)],
        'history': HistoryBuffer([1.0, 3.0], [1, 1]),
        'big': 2**80,
        'bytes': b'\x00\xff',
    }
    torch.save(content, path, _use_new_zipfile_serialization=zip_format)
    loaded = load_checkpoint_file(path)
    for name, tensor in content['state_dict'].items():
        assert torch.equal(loaded['state_dict'][name], tensor)
    assert loaded['meta'] == content['meta']
    for ours, original in zip(loaded['numpy'], content['numpy'], strict=True):
        assert type(ours) is type(original)
        assert np.array_equal(ours, original)
        assert ours.dtype == original.dtype
    assert loaded['history'].mean() == 2.0
    assert (loaded['big'], loaded['bytes']) == (content['big'], content['bytes'])


def test_numpy_names_of_other_numpy_versions(tmp_path):
    """numpy 2 renamed numpy.core: files of either kind load under either."""
    path = tmp_path / 'x.pth'
    torch.save({'x': np.float64(2.5), 'y': np.arange(3)}, path)
    with zipfile.ZipFile(path) as file:
        name = next(name for name in file.namelist() if name.endswith('data.pkl'))
        instructions = file.read(name)
    for core in (b'numpy.core.multiarray', b'numpy._core.multiarray'):
        for other in (b'numpy._core.multiarray', b'numpy.core.multiarray'):
            instructions = instructions.replace(b'c' + other + b'\n', b'c' + core + b'\n')
        replace_pickle(path, instructions)
        loaded = load_checkpoint_file(path)
        assert loaded['x'] == 2.5
        assert loaded['y'].tolist() == [0, 1, 2]


def test_file_cannot_change_the_statistics_of_this_process(tmp_path):
    before = dict(HistoryBuffer._statistics_methods)
    table = b'}' + text('mean') + b'ctorch\nSize\n' + b's'
    state = b'}' + text('statistics_methods') + table + b's'
    path = tmp_path / 'x.pth'
    replace_pickle(path, b'\x80\x02' + BUFFER + b')\x81' + state + b'b.')
    assert isinstance(load_checkpoint_file(path), HistoryBuffer)
    assert HistoryBuffer._statistics_methods == before


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize('zip_format', [True, False])
def test_truncated_file(tmp_path, share, zip_format):
    path = tmp_path / 'cut.pth'
    torch.save({'a': torch.randn(1000)}, path, _use_new_zipfile_serialization=zip_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r'cut\.pth could not be read.*delete it'):
        load_checkpoint_file(path)


@pytest.mark.parametrize(
    'content',
    [b'<!DOCTYPE html><html>404</html>', b'\x89PNG\r\n\x1a\n' + bytes(64), b'PK\x03\x04', b'\x80'],
)
def test_foreign_file(tmp_path, content):
    path = tmp_path / 'foreign.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'foreign\.pth'):
        load_checkpoint_file(path)


def test_damaged_bytes_give_content_or_our_error(tmp_path):
    """Whatever single bytes change, nothing but a CheckpointError comes out."""
    path = tmp_path / 'x.pth'
    torch.save({'a': torch.ones(2), 'h': HistoryBuffer([1.0], [1])}, path)
    with zipfile.ZipFile(path) as file:
        name = next(name for name in file.namelist() if name.endswith('data.pkl'))
        instructions = bytearray(file.read(name))
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(instructions)
        damaged[generator.integers(len(damaged))] = generator.integers(256)
        replace_pickle(path, bytes(damaged))
        try:
            load_checkpoint_file(path)
        except CheckpointError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 50


def test_missing_file(tmp_path):
    for load in (load_checkpoint_file, CheckpointLoader.load_checkpoint):
        with pytest.raises(FileNotFoundError, match=r'no checkpoint .*gone\.pth'):
            load(str(tmp_path / 'gone.pth'))


def test_opting_out_warns_and_leaves_loading_to_mmengine(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    torch.save({'when': datetime.date(2020, 1, 2)}, path)
    with pytest.raises(CheckpointError, match=r'asks for datetime\.date.*LABELENC_MM_UNSAFE_LOAD'):
        CheckpointLoader.load_checkpoint(str(path))
    monkeypatch.setenv('LABELENC_MM_UNSAFE_LOAD', '1')
    # Upstream leaves the decision to torch, which since 2.6 wants to be told as well.
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    with pytest.warns(UserWarning, match='LABELENC_MM_UNSAFE_LOAD is set.*may run any code'):
        loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['when'] == datetime.date(2020, 1, 2)
    # Our own function has no such switch.
    with pytest.raises(CheckpointError):
        load_checkpoint_file(path)


@pytest.fixture
def old_torch(monkeypatch):
    """A torch under which a restricted load runs code all the same."""
    monkeypatch.setattr(safe_loading, 'SAFE_TORCH', safe_loading.Version('99.0'))


@pytest.mark.usefixtures('old_torch')
def test_old_torch_reads_nothing_that_others_may_have_written(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save({'a': torch.ones(1)}, path)
    for load in (load_checkpoint_file, CheckpointLoader.load_checkpoint):
        with pytest.raises(CheckpointError, match=r'x\.pth was not read.*CVE-2025-32434.*99\.0'):
            load(str(path))
    # What a training has just written itself is read back to be verified.
    assert torch.equal(load_checkpoint_file(path, written_here=True)['a'], torch.ones(1))


@pytest.mark.usefixtures('old_torch')
def test_old_torch_reads_what_the_user_trusts(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    torch.save({'a': torch.ones(1)}, path)
    monkeypatch.setenv(safe_loading.OPT_OUT, '1')
    with pytest.warns(UserWarning, match='may run any code'):
        assert torch.equal(load_checkpoint_file(path)['a'], torch.ones(1))


ONE_CYCLE = 'mmengine.optim.scheduler.param_scheduler'
SCHEDULERS = {
    'ConstantLR': {},
    'CosineAnnealingLR': {'T_max': 9},
    'CosineRestartLR': {'periods': [3, 6], 'restart_weights': [1, 1], 'eta_min': 0.0},
    'ExponentialLR': {'gamma': 0.5},
    'LinearLR': {},
    'MultiStepLR': {'milestones': [2, 5]},
    'OneCycleLR': {'eta_max': 0.5, 'total_steps': 9},
    'PolyLR': {},
    'ReduceOnPlateauLR': {'monitor': 'loss'},
    'StepLR': {'step_size': 2},
}


@pytest.mark.parametrize('name', SCHEDULERS)
def test_state_of_a_scheduler_comes_back(name, tmp_path):
    def make():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
        return getattr(scheduler, name)(optimizer, **SCHEDULERS[name])

    state = make().state_dict()
    torch.save({'param_schedulers': [state]}, tmp_path / 'epoch_1.pth')
    (loaded,) = load_checkpoint_file(tmp_path / 'epoch_1.pth')['param_schedulers']
    assert loaded == state
    make().load_state_dict(loaded)


@pytest.mark.parametrize(
    'instructions',
    [
        attribute(f'c{ONE_CYCLE}\nOneCycleParamScheduler\n'.encode(), '__init__'),
        attribute(
            attribute(f'c{ONE_CYCLE}\nOneCycleParamScheduler\n'.encode(), '_annealing_cos'),
            '__globals__',
        ),
        f'c{ONE_CYCLE}\nOneCycleParamScheduler\n)R'.encode(),
    ],
    ids=['another function', 'further from the function', 'an instance'],
)
def test_nothing_but_two_functions_of_the_scheduler_is_reached(instructions, tmp_path):
    replace_pickle(tmp_path / 'hostile.pth', b'\x80\x02' + instructions + b'.')
    with pytest.raises(CheckpointError, match='refused'):
        load_checkpoint_file(tmp_path / 'hostile.pth')
