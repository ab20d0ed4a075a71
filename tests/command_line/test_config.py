"""How the tools read a config, tell what is wrong with it, and what they add before the Runner gets it."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from labelenc_mm.command_line import config as command_line
from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.engine import SampleErrorHook
from labelenc_mm.toolbox.safe_loading import CheckpointError


@pytest.fixture
def written(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("default_scope = 'mmseg'\nmodel = dict(channels=[1, 2], depth=3)\nsize = 4\n")
    return str(path)


def test_options_override_entries_of_a_config(written):
    cfg = read_config(written, {'model.channels': [5], 'size': 6, 'load_from': 'x.pth'}, 'mmseg')
    assert cfg.model == dict(channels=[5], depth=3)
    assert (cfg.size, cfg.load_from, cfg.filename) == (6, 'x.pth', written)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('gone.py',), r"^error: Config 'gone\.py' does not exist \(seen from /"),
        (('CONFIG', {'sizes.0': 1}), r"--cfg-options sizes\.0=.*Did you mean 'size'\?"),
        (
            ('CONFIG', {}, 'mmdet', 'boxes are drawn'),
            r"config\.py has default_scope 'mmseg'; boxes are drawn\.$",
        ),
        (('CONFIG', {'default_scope': 'x'}, 'mmseg', 'why'), r"default_scope 'x'; why"),
    ],
)
def test_what_is_wrong_with_a_config_is_told_without_a_traceback(written, arguments, message):
    with pytest.raises(SystemExit, match=message), without_traceback():
        read_config(*(written if argument == 'CONFIG' else argument for argument in arguments))


def test_a_config_that_names_no_toolbox_may_be_of_either(written):
    for scope in ('mmdet', 'mmseg'):
        assert read_config(written, {'default_scope': None}, scope).default_scope is None


def test_faults_of_the_program_keep_their_traceback():
    with pytest.raises(SystemExit, match='^error: x was refused$'), without_traceback():
        raise CheckpointError('x was refused')
    with pytest.raises(KeyError), without_traceback():
        raise KeyError('x')


@pytest.fixture
def build(monkeypatch):
    """Return a function that gives what the Runner would be built from."""
    monkeypatch.setattr(command_line, 'init_distributed', lambda launcher, dist_cfg: None)

    def from_cfg(cfg):
        return SimpleNamespace(cfg=cfg, register_hook=lambda hook: None)

    monkeypatch.setattr(Runner, 'from_cfg', from_cfg)

    def build(**options):
        return command_line.build_runner(Config({'launcher': 'none', **options})).cfg

    return build


def test_errors_of_samples_are_named_once(build):
    other = {'type': 'EMAHook'}
    assert build(custom_hooks=[other]).custom_hooks == [other, {'type': 'SampleErrorHook'}]
    own = {'named': {'type': 'SampleErrorHook'}}
    assert 'custom_hooks' not in build(default_hooks=own)
    for spelling in (
        SampleErrorHook,
        'mmengine.SampleErrorHook',
        'labelenc_mm.engine.SampleErrorHook',
    ):
        assert len(build(custom_hooks=[{'type': spelling}]).custom_hooks) == 1
