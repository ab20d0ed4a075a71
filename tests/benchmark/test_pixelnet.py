"""Table 4 of PixelNet: forms of one network say the same, and their operations are those of a formula."""

import pytest
import torch

pytest.importorskip('mmseg')

from labelenc_mm.benchmark.costs import count_operations, measure_peak_memory
from labelenc_mm.benchmark.pixelnet import PixelNetworks, largest_difference, table_4

SIDE, POINTS, WIDTH, CLASSES = 64, 200, 24, 7


@pytest.fixture(scope='module')
def rows():
    torch.manual_seed(0)
    backbone = dict(base_channels=4, fc_channels=32)
    return table_4(
        PixelNetworks((SIDE, SIDE), 2, POINTS, WIDTH, CLASSES, device='cpu', backbone=backbone)
    )


def test_rows_are_those_of_the_paper(rows):
    for form in ('sparse', 'picked', 'dense'):
        assert {f'{form}, fc-{layers}' for layers in (1, 2, 3)} | {f'{form}, fc-3, conv-7'} <= set(
            rows
        )
    assert {'FCN-8s', 'FCN-32s'} <= set(rows) and next(iter(rows)) == 'sparse, fc-3'


def test_forms_of_a_network_have_equal_scores_and_gradients(rows):
    assert largest_difference(rows) < 1e-5
    names = ['sparse, fc-3', 'sparse, fc-3, every tap sampled first',
             'sparse, fc-3, by grid_sample', 'picked, fc-3']  # fmt: skip
    network = rows[names[0]].network.eval()
    results = []
    for name in names:
        assert rows[name].network is network
        scores = rows[name].form(rows[name].networks, network, rows[name].networks.images)
        loss = scores.square().sum()
        results.append(torch.autograd.grad(loss, list(network.parameters())))
    network.train()
    for gradients in results[1:]:
        for found, expected in zip(gradients, results[0]):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_dense_and_picked_differ_in_the_pixels_that_are_classified(rows):
    counts = {name: count_operations(row) for name, row in rows.items()}
    # One multiplication a weight of the layers and pixel; three times that with gradients.
    channels = 4 * (1 + 4 + 8)  # conv1_2, conv3_3, conv5_3
    layers = channels * WIDTH + WIDTH * WIDTH + WIDTH * CLASSES
    found = counts['dense, fc-3'] - counts['picked, fc-3']
    assert found == 3 * layers * 2 * (SIDE * SIDE - POINTS)
    assert counts['sparse, fc-3, by grid_sample'] == counts['picked, fc-3']
    assert counts['sparse, fc-3'] < counts['picked, fc-3']  # coarse taps are projected first


def test_sparse_training_takes_less_memory(rows):
    peaks = {n: measure_peak_memory(rows[n]) for n in rows if n.endswith('fc-3')}
    assert peaks['sparse, fc-3'] < peaks['picked, fc-3'] < peaks['dense, fc-3']
    columns = 4 * 2 * SIDE * SIDE * 4 * (1 + 4 + 8)
    assert peaks['picked, fc-3'] - peaks['sparse, fc-3'] > columns / 2
