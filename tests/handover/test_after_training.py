"""What the log says of the files at the end of a training: whose weights, and how to get others."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import MessageHub

from labelenc_mm.handover.after_training import writes_last_weights
from labelenc_mm.handover.export import ExportError


def runner_with(*hooks):
    hub = MessageHub('after_training')
    hub.update_info('last_ckpt', '/w/epoch_3.pth')
    cfg = SimpleNamespace(filename='/elsewhere/c.py')
    return SimpleNamespace(hooks=hooks, cfg=cfg, work_dir='/w', message_hub=hub)


def log_of(caplog, *hooks):
    with (
        caplog.at_level(logging.INFO),
        writes_last_weights(runner_with(*hooks), '/w/x.pth', 'file'),
    ):
        pass
    return caplog.text


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    """What goes to mmengine's current logger is heard by caplog."""
    log = logging.getLogger('test_after_training')
    monkeypatch.setattr(
        'labelenc_mm.handover.after_training.print_log',
        lambda message, logger, level=logging.INFO: log.log(level, message),
    )


def best(*paths):
    hook = CheckpointHook(save_best=[f'm{i}' for i, _ in enumerate(paths)], rule='greater')
    if len(paths) == 1:
        hook.best_ckpt_path = paths[0]
    else:
        hook.best_ckpt_path_dict = dict(enumerate(paths))
    return hook


def test_without_a_search_for_the_best_nothing_is_said_of_it(caplog):
    text = log_of(caplog, CheckpointHook(interval=1))
    assert 'Exported file: /w/x.pth' in text and 'best' not in text


def test_the_command_for_the_best_checkpoint_is_told(caplog):
    text = log_of(caplog, best('/w/best m.pth'), EarlyStoppingHook('m0', rule='greater'))
    assert 'weights of the last iteration, not the best' in text
    assert "python tools/export.py /w/c.py '/w/best m.pth' /w/x_best.pth" in text


def test_each_of_several_best_checkpoints_has_its_command(caplog):
    text = log_of(caplog, best('/w/a.pth', '/w/b.pth'))
    assert '/w/c.py /w/a.pth /w/x_best.pth' in text and '/w/c.py /w/b.pth /w/x_best.pth' in text


def test_early_stopping_without_a_best_checkpoint_says_how_to_keep_one(caplog):
    text = log_of(caplog, EarlyStoppingHook('m', rule='greater'))
    assert 'set default_hooks.checkpoint.save_best' in text and '/w/c.py CHECKPOINT' in text


def test_a_failure_says_how_to_repeat():
    message = (
        r'disk\nThe training is complete.*\n  python tools/export.py /w/c.py /w/epoch_3.pth /w/x'
    )
    with (
        pytest.raises(ExportError, match=message),
        writes_last_weights(runner_with(), '/w/x.st', 'file'),
    ):
        raise OSError('disk')
