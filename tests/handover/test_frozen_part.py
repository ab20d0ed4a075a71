"""Frozen parts: frozen from the constructor, in evaluation mode, learned or refused."""

import copy

import pytest
import torch
from third_kind import COPIER, NAMES, Copier, Counter

from labelenc_mm.handover.artefact import ArtefactError
from labelenc_mm.handover.frozen_part import named_frozen_parts, own_prefixes


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / 'copier.safetensors')
    COPIER.save(path, Copier().state_dict(), {'width': 4, 'classes': list(NAMES)})
    return path


def test_the_taken_children_are_frozen_from_the_constructor():
    part = Counter(copied={}).train().copied
    assert not any(p.requires_grad for p in part.encoder.parameters())
    assert all(p.requires_grad for p in part.adapter.parameters())
    assert part.adapter.training and not part.encoder.training
    assert not part.is_learned
    with pytest.raises(RuntimeError, match='set init_from to a copier'):
        part.check_is_learned()


def test_it_is_filled_once_and_again_only_when_told(path):
    counter = Counter(copied=dict(init_from=path))
    counter.init_weights()
    tensors = COPIER.read(path).tensors
    assert counter.copied.is_learned
    assert torch.equal(counter.trunk[0].weight, tensors['trunk.0.weight'])
    with torch.no_grad():
        counter.trunk[0].weight.zero_()
        counter.copied.encoder.weight.zero_()
    counter.copied.load(counter)
    assert not counter.copied.encoder.weight.any()
    counter.copied.load(counter, again=True)  # the frozen children alone
    assert torch.equal(counter.copied.encoder.weight, tensors['encoder.weight'])
    assert not counter.trunk[0].weight.any()


def test_a_checkpoint_in_part_does_not_count_as_learned(path):
    counter = Counter(copied=dict(init_from=path))
    counter.init_weights()
    state = copy.deepcopy(counter.state_dict())
    resumed = Counter(copied={})
    resumed.load_state_dict(state)
    assert resumed.copied.is_learned
    del state['copied.encoder.bias']
    resumed.load_state_dict(state, strict=False)
    assert not resumed.copied.is_learned


def test_other_labels_are_refused(path):
    counter = Counter(copied=dict(init_from=path))
    counter.copied.check_labels({'classes': ('two', 'one')})  # it took nothing yet
    counter.init_weights()
    counter.copied.check_labels({'classes': NAMES})
    with pytest.raises(ArtefactError, match=r"0: 'two' \(copier: 'one'\)"):
        counter.copied.check_labels({'classes': ('two', 'one')})


def test_what_is_ours_is_named_once():
    counter = Counter(copied={})
    assert [name for name, _ in named_frozen_parts(counter)] == ['copied']
    assert own_prefixes(counter) == ['copied.']
    plain = torch.nn.ModuleDict({'aux': counter.copied})
    assert own_prefixes(plain) == ['aux.encoder.']
    assert own_prefixes(Copier()) == ['encoder.', 'trunk.']
