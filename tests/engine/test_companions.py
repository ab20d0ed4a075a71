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
    for key, value in {'cfg': 'text', companions._TOLD: ()}.items():
        monkeypatch.setitem(MessageHub.get_current_instance().runtime_info, key, value)
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


def test_parts_that_want_the_same_hook_tell_it_once_between_them(warnings):
    for part in (Model(), Model()):
        lose(part)
    assert len(warnings) == 1

    class Other(Model):
        companions = {'default_hooks': {'other': {'type': 'scope.OtherHook'}}}

    lose(Other())
    assert len(warnings) == 2 and 'OtherHook' in warnings[1][0]


@pytest.mark.parametrize('looks', [True, False])
def test_a_wrapper_that_does_not_look_for_parameters_that_rest_is_refused(looks):
    wrapper = nn.Sequential(Model())
    wrapper.find_unused_parameters = looks
    if looks:
        attend(wrapper)
        return
    with pytest.raises(ValueError, match='Model leaves .* find_unused_parameters = True'):
        attend(wrapper)
    wrapper[0].companions = {'default_hooks': DECLARED['default_hooks']}
    attend(wrapper)


def test_nothing_is_told_where_the_hook_is_there(warnings):
    model = Model()
    attend(nn.Sequential(nn.Identity(), model))
    lose(model)
    assert warnings == []


def test_nothing_is_told_without_a_runner(warnings, monkeypatch):
    monkeypatch.delitem(MessageHub.get_current_instance().runtime_info, 'cfg')
    lose(Model())
    assert warnings == []
