"""What hooks ask a Runner for: its model, and the meta information of data sets made of several."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from torch import nn

from labelenc_mm.engine.runner_state import (
    common_metainfo,
    leave_log,
    run_label_names,
    train_metainfo,
    unwrapped_model,
)


def test_one_data_set_and_none():
    assert common_metainfo({'classes': ('a', 'b'), 'palette': None})['classes'] == ('a', 'b')
    assert common_metainfo(None) == {}
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=object()))
    assert train_metainfo(runner) == {}


def test_parts_that_agree_in_their_classes():
    """Two keys each: dict() of the list would take classes for a key and the size for its value."""
    parts = [{'classes': ['a', 'b'], 'cumulative_sizes': [3, 5]}, {'classes': ('a', 'b')}]
    assert common_metainfo(parts) == parts[0]


def test_parts_of_other_classes_are_refused():
    with pytest.raises(ValueError, match=r"different classes.*'a', 'b'.*'b', 'a'"):
        common_metainfo([{'classes': ('a', 'b')}, {'classes': ('b', 'a')}])


def test_a_text_in_place_of_classes_is_refused():
    for metainfo in ({'classes': 'thing'}, [{'classes': ('t',)}, {'classes': 'thing'}]):
        with pytest.raises(ValueError, match="text 'thing', of which every letter"):
            common_metainfo(metainfo)


def test_labels_of_training_and_validation_are_compared():
    def loader(*classes):
        return SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=classes)))

    runner = SimpleNamespace(train_dataloader=loader('a', 'b'))
    assert run_label_names(runner) == ['a', 'b']
    runner._val_loop = dict(type='ValLoop')  # not built, for this run does not validate
    assert run_label_names(runner) == ['a', 'b']
    runner._val_loop = SimpleNamespace(dataloader=loader('b', 'a'))
    with pytest.raises(ValueError, match=r"val_dataloader.*has:\n  0: 'b' \(train_dataloader"):
        run_label_names(runner)


def test_what_mmdet_makes_of_a_concatenation_is_understood():
    wrappers = pytest.importorskip('mmdet.datasets.dataset_wrappers')
    from mmdet.datasets import CocoDataset

    parts = [
        CocoDataset(metainfo={'classes': ('a', 'b'), 'palette': palette}, lazy_init=True)
        for palette in ([(1, 2, 3), (4, 5, 6)], None)
    ]
    whole = wrappers.ConcatDataset(parts, lazy_init=True)
    assert isinstance(whole.metainfo, list)
    assert common_metainfo(whole.metainfo)['classes'] == ('a', 'b')


def test_wrappers_that_split_the_weights_are_refused():
    wrapper = type('MMFullyShardedDataParallel', (nn.Module,), {})()
    with pytest.raises(ValueError, match='MMFullyShardedDataParallel splits .* MMDistributed'):
        unwrapped_model(SimpleNamespace(model=wrapper))
    model = nn.Identity()
    assert unwrapped_model(SimpleNamespace(model=model)) is model


def test_what_leaves_the_log_is_not_missed_by_a_resume(caplog):
    hub = MessageHub('leaves')
    hub.update_scalars({'train/loss_a': 1.0, 'train/loss_b': 2.0, 'val/loss_a': 3.0})
    runner = SimpleNamespace(message_hub=hub)
    leave_log(runner, ())
    assert len(hub.log_scalars) == 3
    leave_log(runner, ('train/loss_a', 'train/none'))
    assert set(hub.log_scalars) == {'train/loss_b', 'val/loss_a'}
    resumed = MessageHub('resumed')
    resumed.load_state_dict(hub.state_dict())
    assert set(resumed.log_scalars) == {'train/loss_b', 'val/loss_a'}
    assert 'skip' not in caplog.text
    hub.update_scalar('train/loss_a', 4.0)  # it may come back
    assert hub.get_scalar('train/loss_a').current() == 4.0
