"""Stages of the label encoding head: chosen by name, one class each, and subclasses that serve all."""

import copy

import pytest
import torch
from detection_models import build

from labelenc_mm.detection import (
    FrozenLabelEncodingHead,
    LabelEncMixin,
    LabelEncodingHead,
    LabelEncodingLearner,
)

STAGES = {'autoencode': LabelEncodingLearner, 'supervise': FrozenLabelEncodingHead}


@pytest.mark.parametrize('stage', STAGES)
def test_a_subclass_serves_every_stage_and_goes_before_it(stage):
    class Own(LabelEncodingHead):
        def check_is_learned(self):
            return 'own'

    head = build('small', stage, type=Own).labelenc
    assert isinstance(head, Own) and isinstance(head, STAGES[stage])
    assert head.check_is_learned() == 'own' and head.stage == stage
    assert type(copy.deepcopy(head)) is type(head)
    assert type(build('small', stage).labelenc) is STAGES[stage]


@pytest.mark.parametrize('stage', [*STAGES, 'one-run'])
def test_the_finest_levels_are_compared_at_half_their_resolution(stage):
    """Against means of 2x2 cells written out; sides are odd, where cells have fewer pixels."""
    share = dict(label_share=1.0) if stage == 'one-run' else {}
    with pytest.raises(ValueError, match='halved_levels=-1 is no number of levels'):
        build('small', stage, halved_levels=-1, **share)
    halved = build('small', stage, halved_levels=1, **share)
    full = build('small', stage, **share)
    full.load_state_dict(halved.state_dict())
    torch.manual_seed(0)
    width = next(halved.labelenc.adapter.parameters()).shape[0]
    sides = [[torch.rand(2, width, *size) for size in ((7, 10), (4, 5), (1, 1))] for _ in range(2)]
    cells = [[means_of_cells(levels[0]), *levels[1:]] for levels in sides]
    expected, got = full.labelenc.loss(*cells), halved.labelenc.loss(*sides)
    assert expected.keys() == got.keys()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value)
    seen = []
    halved.labelenc.adapter.register_forward_hook(lambda _, args, __: seen.extend(args[0]))
    halved.labelenc.loss(*sides)
    assert [tuple(level.shape[2:]) for level in seen] == [(4, 5), (4, 5), (1, 1)]
    assert full.labelenc.loss(*sides)['loss_labelenc'] != got['loss_labelenc']


def means_of_cells(level):
    height, width = level.shape[2:]
    rows = [
        torch.stack([level[..., y : y + 2, x : x + 2].mean((2, 3)) for x in range(0, width, 2)], -1)
        for y in range(0, height, 2)
    ]
    return torch.stack(rows, 2)


def test_a_further_stage_is_one_more_class(monkeypatch):
    monkeypatch.setattr(LabelEncodingHead, 'stages', dict(LabelEncodingHead.stages))

    class BothSteps(LabelEncodingLearner):
        stage = 'both'
        step = 'both steps'

    detector = build('small', 'both')
    assert type(detector.labelenc) is BothSteps
    assert detector.companions['val_cfg'] == dict(type='mmdet.LabelEncValLoop')
    assert 'val_cfg' not in LabelEncMixin.companions_of(dict(labelenc=dict(stage='supervise')))
    with pytest.raises(ValueError, match=r"'autoencode' \(step 1\) or .* or 'both' \(both steps\)"):
        build('small', 'none')
