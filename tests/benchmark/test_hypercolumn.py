"""Passes of both forms of a hypercolumn classifier: equal results, operations by formula, measured memory."""

import pytest
import torch

pytest.importorskip('mmcv')

from labelenc_mm.benchmark.costs import count_operations, measure_peak_memory
from labelenc_mm.benchmark.hypercolumn import build_forms, largest_difference, pass_of

SIZE = (32, 32)


def test_forms_are_equal_and_ours_multiplies_less():
    forms, features = build_forms('vgg16', 1, SIZE, 7, 'cpu')
    assert largest_difference(forms, features, SIZE) < 1e-5
    # One multiplication a channel, class and pixel; three times that with the gradients of features
    # and weights.
    plain = 4224 * 7 * 32 * 32
    for mode, factor in (('test', 1), ('train', 3)):
        counts = {
            name: count_operations(pass_of(form, features, SIZE, mode))
            for name, form in forms.items()
        }
        assert counts['concatenated'] == factor * plain
        assert counts['concatenated'] / counts['projected'] == pytest.approx(15.6, abs=0.1)


def test_memory_of_a_test_pass():
    forms, features = build_forms('vgg16', 1, SIZE, 7, 'cpu')
    passes = {name: pass_of(form, features, SIZE, 'test') for name, form in forms.items()}
    peaks = {name: measure_peak_memory(step) for name, step in passes.items()}
    # What it cannot do without: the concatenated taps and the scores that it returns.
    assert peaks['concatenated'] >= 4 * (4224 + 7) * 32 * 32
    assert peaks['projected'] < peaks['concatenated'] / 10
    assert {name: measure_peak_memory(step) for name, step in passes.items()} == peaks


def test_memory_is_the_peak_and_not_what_was_there_before():
    before = [torch.ones(2**22, requires_grad=True)]  # 16 MiB
    sizes = []

    def form(features, size):
        held = torch.ones(2**24)  # 64 MiB
        sizes.append(held.nbytes)
        del held
        return features[0] + 1

    assert measure_peak_memory(pass_of(form, before, (1, 1), 'test')) == sizes[0] == 2**26
    # The output is its own gradient; the feature's is the second copy.
    for _ in range(2):  # which is gone before the next pass
        step = pass_of(lambda f, s: f[0].clone(), before, (1, 1), 'train')
        assert measure_peak_memory(step) == 2**25
