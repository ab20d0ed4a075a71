"""Whole trainings for tests: the tools run as processes, and what they leave.

Every training has a process of its own, as a user's has: mmengine's MessageHub, registries' scope and
loggers are process-wide. The processes are forked from a server that has imported the toolboxes once,
which saves those seconds per training, and they see no GPU, so that bit-equality can be asked for.
Only what is asked to run on one (``device='cuda'``) starts afresh and sees it.
"""

import atexit
import functools
import itertools
import json
import multiprocessing
import os
import runpy
import shutil
import socket
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

import torch
from training_configs import HOOKS, STEP1, STEP2, write_config, write_data

from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / 'tools' / 'train.py'
TEST = ROOT / 'tools' / 'test.py'
_PRELOAD = (
    'labelenc_mm.detection',
    'labelenc_mm.command_line.config',
    'labelenc_mm.command_line.resume',
    'labelenc_mm.pretraining',
    'mmdet.apis',
    'mmdet.engine',
    'mmdet.visualization',
    'mmseg.apis',
    'mmseg.datasets',
    'torch._dynamo',
    'yapf.yapflib.yapf_api',
)

ENCODING = 'label_encoding.safetensors'
EXPORTED = 'exported_detector.pth'


@functools.cache
def shared_folder():
    """A folder for what many tests read; it goes when the tests end."""
    folder = tempfile.mkdtemp(prefix='labelenc_mm_tests_')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def shared_data():
    """The tiny data set, to be left as it is."""
    return write_data(shared_folder() / 'data')


@functools.cache
def shared_step1():
    """A step 1 of the tiny detector: its work dir, config and log, to be left as they are."""
    hooks = "dict(type='KeepWeightsHook')"
    path = shared_folder() / 'step1.py'
    config = write_config(path, shared_data(), STEP1, HOOKS, hooks=hooks)
    return train(config, shared_folder() / 'step1')


@functools.cache
def shared_step2():
    """A step 2 under it."""
    path = shared_folder() / 'step2.py'
    step1 = shared_step1().work_dir / 'label_encoding.safetensors'
    return train(write_config(path, shared_data(), STEP2, step1=step1), shared_folder() / 'step2')


@dataclass
class Finished:
    """What processes left: exit status and output of each, and the work dir."""

    statuses: list[int]
    outputs: list[str]
    work_dir: Path

    @property
    def output(self):
        return self.outputs[0]

    def scalars(self):
        """All entries of the log, in order."""
        logs = sorted(self.work_dir.glob('*/vis_data/scalars.json'))
        return [json.loads(line) for log in logs for line in log.read_text().splitlines()]

    def trained(self):
        """The entries of iterations."""
        return [entry for entry in self.scalars() if 'loss' in entry]

    def told_distances(self):
        """Whether each of them has the distance."""
        return ['loss_labelenc' in entry for entry in self.trained()]

    def metrics(self):
        """The entry of the last validation."""
        return [entry for entry in self.scalars() if 'coco/bbox_mAP' in entry][-1]


def _format_once():
    """mmengine formats the config again for every checkpoint, which takes longer than training."""
    from mmengine.config import config
    from yapf.yapflib import yapf_api

    format_code, known = yapf_api.FormatCode, {}

    def format_once(text, **options):
        if text not in known:
            known[text] = format_code(text, **options)
        return known[text]

    yapf_api.FormatCode = format_once
    if hasattr(config, 'FormatCode'):  # upstream
        config.FormatCode = format_once


def _child(script, arguments, log, variables):
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(variables)
    sys.argv = [str(script), *arguments]
    _format_once()
    runpy.run_path(str(script), run_name='__main__')


@contextmanager
def _without_gpu():
    """mmengine decides when it is imported whether there is a GPU."""
    before = os.environ.get('CUDA_VISIBLE_DEVICES')
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    try:
        yield
    finally:
        if before is None:
            del os.environ['CUDA_VISIBLE_DEVICES']
        else:
            os.environ['CUDA_VISIBLE_DEVICES'] = before


def run_script(script, *arguments, work_dir, processes=1, timeout=300, expect=0, device='cpu'):
    """Run a script in one process, or as the ranks of a distributed run, to its end.

    Args:
        script: Path of a Python script.
        arguments: Its command line.
        work_dir: Folder for the output of the processes.
        processes: Number of processes; more than one get the variables of torchrun.
        timeout: Seconds after which the processes are killed and the test fails.
        expect: Exit status that every process must have, None for any.
        device: 'cpu', or 'cuda' for processes that see the machine's GPU and thus use it.
    """
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context('forkserver' if device == 'cpu' else 'spawn')
    if device == 'cpu':
        context.set_forkserver_preload(list(_PRELOAD))
        with _without_gpu():
            forkserver.ensure_running()
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    stem = f'output_{time.time_ns()}'
    logs = [work_dir / f'{stem}_rank{rank}.txt' for rank in range(processes)]
    started = []
    for rank, log in enumerate(logs):
        variables = {'OMP_NUM_THREADS': '1'}
        if processes > 1:
            variables.update(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE=str(processes),
                MASTER_ADDR='127.0.0.1',
                MASTER_PORT=str(port),
            )
        process = context.Process(
            target=_child, args=(script, [str(a) for a in arguments], log, variables)
        )
        process.start()
        started.append(process)
    deadline = time.monotonic() + timeout
    for process in started:
        process.join(max(deadline - time.monotonic(), 0.1))
    statuses = [process.exitcode for process in started]
    for process in started:
        process.kill()
    finished = Finished(statuses, [log.read_text(errors='replace') for log in logs], work_dir)
    tails = '\n'.join(f'--- rank {i}\n{out[-3000:]}' for i, out in enumerate(finished.outputs))
    assert None not in statuses, f'no end within {timeout} s: {statuses}\n{tails}'
    assert expect is None or statuses == [expect] * processes, f'{statuses}\n{tails}'
    return finished


def train(config, work_dir, *options, resume=False, **kwargs):
    """Run ``tools/train.py``; ``options`` go to --cfg-options."""
    arguments = [config, '--work-dir', work_dir]
    if resume:
        arguments.append('--resume')
    if kwargs.get('processes', 1) > 1:
        arguments += ['--launcher', 'pytorch']
    if options:
        arguments += ['--cfg-options', *options]
    return run_script(TRAIN, *arguments, work_dir=work_dir, **kwargs)


def interrupt_and_resume(tmp_path, *parts, epoch, lose=None, **values):
    """Train the tiny detector, end the process after an epoch, remove a file, and resume to the end."""
    hooks = f"dict(type='StopHook', after_epoch={epoch})"
    stopped = write_config(tmp_path / 'c.py', shared_data(), *parts, HOOKS, hooks=hooks, **values)
    train(stopped, tmp_path / 'run', expect=9)
    assert not (tmp_path / 'run' / f'epoch_{epoch + 1}.pth').exists()
    config = write_config(tmp_path / 'c.py', shared_data(), *parts, **values)
    if lose is not None:
        lose.unlink()
    resumed = train(config, tmp_path / 'run', resume=True)
    assert f'epoch_{epoch}.pth' in resumed.output
    return resumed


def weights(path):
    """The state dict of a checkpoint that a test made itself."""
    content = torch.load(path, map_location='cpu', weights_only=False)
    return content.get('state_dict', content)


def differing(left, right):
    """Keys whose tensors are not bit-equal, or that only one side has."""
    both = left.keys() & right.keys()
    return sorted(
        (left.keys() ^ right.keys())
        | {key for key in both if not torch.equal(left[key], right[key])}
    )


def with_prefix(state, prefix, new=''):
    """Entries below a prefix, with another one in its place."""
    return {new + k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def is_stock(key):
    return not key.startswith('labelenc.')


def active_per_epoch(run):
    """How many iterations of each epoch had the distance, from the history in the checkpoints.

    Where it has left the history, it has ended with the epoch before, whose successor's log has none of it.
    """
    counts = [0]
    for epoch in range(1, 5):
        path = run.work_dir / f'epoch_{epoch}.pth'
        if path.exists():
            scalars = load_checkpoint_file(path)['message_hub']['log_scalars']
            lengths = {
                len(history.data[0]) for key, history in scalars.items() if 'labelenc' in key
            }
            assert len(lengths) <= 1  # the distance and five correlations, always together
            if not lengths:
                entries = [entry for entry in run.trained() if entry['epoch'] == epoch]
                assert entries and not any('loss_labelenc' in entry for entry in entries)
            counts.append(lengths.pop() if lengths else counts[-1])
    return [after - before for before, after in itertools.pairwise(counts)]
