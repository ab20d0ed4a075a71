"""What the tools add to a config before the Runner gets it."""

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from labelenc_mm.engine import command_line


@pytest.fixture
def build(monkeypatch):
    """Return a function that gives what the Runner would be built from."""
    monkeypatch.setattr(command_line, 'init_distributed', lambda launcher, dist_cfg: None)
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: cfg)

    def build(device='cpu', launcher='pytorch', **options):
        monkeypatch.setattr(command_line, 'get_device', lambda: device)
        return command_line.build_runner(Config({'launcher': launcher, **options}))

    return build


def test_distributed_on_cpu_gets_the_wrapper_that_copes(build):
    ours = 'CPUCapableDistributedDataParallel'
    assert build().model_wrapper_cfg == {'type': ours, 'find_unused_parameters': False}
    # an entry that mmengine reads only where there is no model_wrapper_cfg
    assert build(find_unused_parameters=True).model_wrapper_cfg.find_unused_parameters
    stock = {'type': 'MMDistributedDataParallel', 'static_graph': True}
    assert build(model_wrapper_cfg=stock).model_wrapper_cfg == {'type': ours, 'static_graph': True}
    special = {'type': 'MMSeparateDistributedDataParallel'}
    assert build(model_wrapper_cfg=special).model_wrapper_cfg == special


@pytest.mark.parametrize('options', [{'device': 'cuda'}, {'launcher': 'none'}])
def test_other_runs_keep_the_wrapper_of_mmengine(build, options):
    assert 'model_wrapper_cfg' not in build(**options)


def test_errors_of_samples_are_named_once(build):
    other = {'type': 'EMAHook'}
    assert build(custom_hooks=[other]).custom_hooks == [other, {'type': 'SampleErrorHook'}]
    own = {'named': {'type': 'SampleErrorHook'}}
    assert 'custom_hooks' not in build(default_hooks=own)
