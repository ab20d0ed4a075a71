"""The environment of a run: how many threads it may use."""

import os

import pytest

from labelenc_mm.recipes.launch import LaunchSettings, environment


@pytest.fixture
def settings(tmp_path, monkeypatch):
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        monkeypatch.delenv(name, raising=False)
    return LaunchSettings(tmp_path, 'none', 1, '', 2)


def test_runs_share_the_cores(settings, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(8)))
    env = environment(settings, 0)
    assert (env['OMP_NUM_THREADS'], env['MKL_NUM_THREADS']) == ('4', '4')


def test_mkl_follows_the_number_that_the_user_gives(settings, monkeypatch):
    # PyTorch takes MKL's number, so that another one there would undo the user's.
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    env = environment(settings, 0)
    assert (env['OMP_NUM_THREADS'], env['MKL_NUM_THREADS']) == ('3', '3')
