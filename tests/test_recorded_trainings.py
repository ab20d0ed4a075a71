"""Shipped configs train as they did: losses and files of short trainings, bit for bit."""

import json

import pytest
import torch
from recorded_trainings import RECORD, pass_all, probe, run_all

RECORDED = json.loads(RECORD.read_text(encoding='utf-8'))
# Elsewhere the same training drifts apart, so that only its beginning can be compared, to rounding.
needs_same_machine = pytest.mark.skipif(
    probe() != RECORDED['probe'], reason='another kind of processor or build of torch than recorded'
)


@pytest.mark.slow
@needs_same_machine
def test_trainings_log_and_leave_what_they_did(tmp_path):
    assert run_all(tmp_path) == RECORDED['trainings']


@needs_same_machine
def test_models_pass_as_they_did():
    assert pass_all() == RECORDED['models']


def test_losses_of_models_are_those_recorded_to_rounding():
    for name, values in pass_all().items():
        for key, value in RECORDED['models'][name]['losses'].items():
            torch.testing.assert_close(values['losses'][key], value, rtol=1e-4, atol=1e-4)
