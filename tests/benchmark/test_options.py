"""Options of every benchmark: the device, seeds and threads that they choose, and what they refuse."""

import argparse

import pytest
import torch

from labelenc_mm.benchmark import options
from labelenc_mm.benchmark.options import add_options, apply_options


def apply(*words):
    parser = argparse.ArgumentParser()
    add_options(parser)
    args = parser.parse_args(words)
    apply_options(args)
    return args


@pytest.mark.parametrize(('found', 'device'), [('cuda', 'cuda'), ('cpu', 'cpu'), ('npu', 'cpu')])
def test_a_gpu_is_taken_where_there_is_one(found, device, monkeypatch):
    monkeypatch.setattr(options, 'get_device', lambda: found)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert apply().device == device
    assert apply('--device', 'cpu').device == 'cpu'


def test_seed_and_threads_are_those_of_pytorch(monkeypatch):
    threads = []
    monkeypatch.setattr(torch, 'set_num_threads', threads.append)
    draws = []
    for words in ([], ['--seed', '0'], ['--seed', '7', '--threads', '3']):
        apply('--device', 'cpu', *words)
        draws.append(float(torch.rand(())))
    assert draws[0] == draws[1] != draws[2]
    assert threads == [3]


def test_the_folder_of_the_report_is_made_before_the_work(tmp_path):
    path = tmp_path / 'new' / 'report.json'
    assert apply('--device', 'cpu', '--json', str(path)).json == path
    assert path.parent.is_dir() and not path.exists()


def test_what_cannot_be_done_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--device cuda: PyTorch finds no GPU'):
        apply('--device', 'cuda')
    with pytest.raises(ValueError, match='--rounds must be at least 1, got 0'):
        apply('--device', 'cpu', '--rounds', '0')
