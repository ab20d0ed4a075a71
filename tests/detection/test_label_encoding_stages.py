"""Stages of the label encoding head: chosen by name, one class each, and subclasses that serve all."""

import copy

import pytest
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
