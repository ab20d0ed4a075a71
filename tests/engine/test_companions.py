"""A model whose training lacks its hook says so once, with the lines that its config lacks."""

import logging

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from torch import nn

from labelenc_mm.engine import companions
from labelenc_mm.engine.companions import ModelWithCompanions, attend

DECLARED = {
    'default_hooks': {'own': {'type': 'scope.OwnHook', 'export': True}},
    'val_cfg': {'type': 'scope.OwnLoop'},
    'find_unused_parameters': True,
}


class Model(ModelWithCompanions, BaseModel):
    companions = DECLARED

    def forward(self, *args, **kwargs):
        raise NotImplementedError


@pytest.fixture
def warnings(monkeypatch):
    """What is logged, under a Runner, which tells its config."""
    logged = []
    monkeypatch.setattr(companions, 'print_log', lambda *arguments: logged.append(arguments))
    monkeypatch.setitem(MessageHub.get_current_instance().runtime_info, 'cfg', 'text')
    return logged


def lose(model):
    return model.parse_losses({'loss': torch.ones(())})[0]


def test_the_lines_that_are_told_are_a_config(warnings):
    model = Model()
    assert lose(model) == lose(model) == 1
    ((text, logger, level),) = warnings
    assert (logger, level) == ('current', logging.WARNING)
    assert text.startswith('Model trains without OwnHook: ')
    _, _, lines = text.partition('\n')
    assert Config.fromstring(lines, '.py').to_dict() == DECLARED


def test_nothing_is_told_where_the_hook_is_there(warnings):
    model = Model()
    attend(nn.Sequential(nn.Identity(), model))
    lose(model)
    assert warnings == []


def test_nothing_is_told_without_a_runner(warnings, monkeypatch):
    monkeypatch.delitem(MessageHub.get_current_instance().runtime_info, 'cfg')
    lose(Model())
    assert warnings == []
