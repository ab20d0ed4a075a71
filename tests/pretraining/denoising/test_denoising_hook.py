"""When the hook warns of a frozen encoder that nothing has trained."""

from types import SimpleNamespace

import pytest
from denoising_models import build_pretrainer

from labelenc_mm.pretraining import DenoisingHook

FILE = dict(type='Pretrained', checkpoint='weights.pth')


def run(model, load_from=None, resume=False, iteration=0):
    """The beginning of a training."""
    runner = SimpleNamespace(
        model=model,
        train_dataloader=SimpleNamespace(dataset=range(5)),
        iter=iteration,
        _load_from=load_from,
        _resume=resume,
    )
    hook = DenoisingHook()
    hook.before_train(runner)
    return hook


@pytest.mark.parametrize(
    ('start', 'expected'),
    [
        (dict(), True),
        (dict(load_from='x.pth'), False),
        (dict(resume=True, load_from='x.pth', iteration=10), False),
        (dict(resume=True, iteration=10), False),
        (dict(resume=True), True),  # --resume of a training that has not begun
    ],
)
def test_random_weights_are_told_unless_a_checkpoint_has_brought_others(start, expected, capsys):
    model = build_pretrainer('UPerNet')
    hook = run(model, **start)
    log = capsys.readouterr().out
    assert ('backbone is frozen at random weights' in log) == expected
    assert not expected or 'model.encoder=() (DeP)' in log
    assert hook.metainfo['photos'] == 5
    assert model.is_attended


def test_the_part_that_is_frozen_counts(capsys):
    run(build_pretrainer('UPerNet', encoder=()))
    assert 'random' not in capsys.readouterr().out
    run(build_pretrainer('UNet'))
    assert 'backbone.encoder is frozen at random weights' in capsys.readouterr().out
    model = build_pretrainer('UPerNet', encoder=('backbone.layer1', 'backbone.layer2'))
    model.backbone.layer1.init_cfg = FILE
    run(model)
    assert ': backbone.layer2 is frozen at random' in capsys.readouterr().out
    model.backbone.init_cfg = FILE
    run(model)
    assert 'random' not in capsys.readouterr().out
