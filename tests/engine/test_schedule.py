"""The window of a training in which a loss is active."""

import pytest
from mmengine.logging import MessageHub

from labelenc_mm.engine.schedule import TrainingWindow


def active_iterations(window, max_epochs=4, iters_per_epoch=5):
    hub = MessageHub.get_current_instance()
    hub.update_info('max_iters', max_epochs * iters_per_epoch)
    hub.update_info('max_epochs', max_epochs)
    active = []
    for iteration in range(max_epochs * iters_per_epoch):
        hub.update_info('iter', iteration)
        hub.update_info('epoch', iteration // iters_per_epoch)
        if window.is_active():
            active.append(iteration)
    return active


@pytest.mark.parametrize(
    'window, expected',
    [
        (TrainingWindow(), range(0, 20)),
        (TrainingWindow(1), range(5, 20)),
        (TrainingWindow(0, -1), range(0, 15)),
        (TrainingWindow(-2, -1), range(10, 15)),
        (TrainingWindow(3, by_epoch=False), range(3, 20)),
        (TrainingWindow(3, -4, by_epoch=False), range(3, 16)),
        (TrainingWindow(0.25), range(5, 20)),
        (TrainingWindow(1, 0.75), range(5, 15)),
        (TrainingWindow(0.1, 3), range(2, 15)),
        (TrainingWindow(0, 4), range(0, 20)),
    ],
)
def test_active_iterations(window, expected):
    assert active_iterations(window) == list(expected)
    assert window.begin_iteration(20, 4) == expected[0]


@pytest.mark.parametrize(
    'limits', [(0, 5), (-5, None), (21, None), (0, 0), (2, 2), (3, 1), (0.5, 2)]
)
def test_limits_outside_the_training_are_refused_at_the_first_iteration(limits):
    with pytest.raises(ValueError, match='labelenc.distance_'):
        active_iterations(
            TrainingWindow(
                *limits,
                names=(
                    'labelenc.distance_begin',
                    'labelenc.distance_end',
                    'labelenc.distance_by_epoch',
                ),
            )
        )


@pytest.mark.parametrize(
    'begin, error', [(1.0, ValueError), (-0.5, ValueError), ('4e', TypeError), (True, TypeError)]
)
def test_bad_limits_are_refused_by_the_constructor(begin, error):
    with pytest.raises(error, match='^begin'):
        TrainingWindow(begin)


def test_limits_hold_for_the_length_of_the_training_that_runs():
    window = TrainingWindow(0, -1)
    assert active_iterations(window) == list(range(15))
    assert active_iterations(window, max_epochs=2) == list(range(5))


def test_an_iteration_based_loop_counts_as_one_epoch():
    assert active_iterations(TrainingWindow(2, -2, by_epoch=False), max_epochs=1) == [2]
    with pytest.raises(ValueError, match='never be active'):
        active_iterations(TrainingWindow(0, -1), max_epochs=1)


def test_without_a_training_there_is_no_answer():
    with pytest.raises(RuntimeError, match='no iter, epoch, max_iters, max_epochs'):
        TrainingWindow().is_active()
    MessageHub.get_current_instance().update_info('epoch', 0)
    with pytest.raises(RuntimeError, match='no iter, max_iters, max_epochs'):
        TrainingWindow().is_active()
