"""Correlations of units before and after a fine-tuning, beside NumPy's."""

import numpy as np
import pytest
import torch

from labelenc_mm.analysis.feature_shift import StreamingCorrelation, draw, summarize, table


def activations(seed, images=7, channels=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, channels, 5, 6, generator=generator)


def streamed(before, after, batch_size):
    correlation = StreamingCorrelation()
    for x, y in zip(before.split(batch_size), after.split(batch_size)):
        correlation.add(x, y)
    return correlation.result()


@pytest.mark.parametrize('batch_size', [1, 3, 7])
@pytest.mark.parametrize('offset', [0.0, 1000.0])
def test_correlation_of_each_unit_is_numpys_whatever_the_batches(batch_size, offset):
    before = activations(0) + offset
    after = 0.3 * before + activations(1)
    expected = [
        np.corrcoef(before[:, c].double().flatten(), after[:, c].double().flatten())[0, 1]
        for c in range(4)
    ]
    found = streamed(before, after, batch_size)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.min() < 0.5 < 1


def test_what_only_changes_its_scale_is_not_shifted_and_what_turns_around_is():
    before = activations(0)
    after = before * torch.tensor([2.0, 0.1, -1.0, 1.0]).view(-1, 1, 1) + 3
    np.testing.assert_allclose(streamed(before, after, 2), [1, 1, -1, 1], atol=1e-6)


def test_a_unit_that_is_constant_has_no_correlation_and_does_not_count():
    before, after = activations(0), activations(1)
    after[:, 2] = 5
    before[:, 3] = 0
    found = streamed(before, after, 2)
    assert np.isnan(found).tolist() == [False, False, True, True]
    summary = summarize(found)
    assert summary['constant units'] == 2
    assert summary['median'] == pytest.approx(float(np.median(found[:2])))
    assert summary['lower quartile'] < summary['median'] < summary['upper quartile']


def test_layers_stand_in_a_table_and_a_plot_also_one_without_a_living_unit():
    shifts = {'conv1_1': np.array([0.0, 0.5, 1.0]), 'fc7': np.array([np.nan])}
    assert table(shifts).splitlines()[2:] == [
        '| conv1_1 | 3 | 0.25 | 0.5 | 0.75 | 0 |',
        '| fc7 | 1 | - | - | - | 1 |',
    ]
    (axes,) = draw(shifts).axes
    assert [bar.get_height() for bar in axes.patches] == [0.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ['conv1_1', 'fc7']


def test_states_of_different_networks_are_refused():
    with pytest.raises(ValueError, match='compare two states of one network'):
        StreamingCorrelation().add(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, 3))
    with pytest.raises(ValueError, match='no activations'):
        StreamingCorrelation().result()
