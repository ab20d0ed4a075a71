"""What is measured, on things whose costs are known."""

import pytest
import torch

pytest.importorskip('mmengine')

from labelenc_mm.benchmark.costs import (
    Call,
    Costs,
    count_operations,
    measure_costs,
    measure_peak,
    measure_peak_memory,
)

MIB = 2**20


class ToyStep:
    """A convolution whose input needs no gradient, so that forward and backward cost the same."""

    device = torch.device('cpu')

    def __init__(self, groups=1):
        self.layer = torch.nn.Conv2d(6, 10, 3, stride=2, padding=1, groups=groups)

    def fresh_batch(self):
        return torch.rand(4, 6, 16, 20)

    def __call__(self, batch):
        self.layer(batch).sum().backward()

    def persistent_bytes(self):
        return 5 * MIB


def test_operations_of_forward_and_backward():
    assert count_operations(ToyStep()) == 2 * (4 * 8 * 10) * (10 * 6 * 9)


def test_a_filter_of_a_group_sees_its_channels_alone():
    assert count_operations(ToyStep(groups=2)) == 2 * (4 * 8 * 10) * (10 * 3 * 9)


@pytest.mark.parametrize('kind', ['Conv2d', 'ConvTranspose2d'])
def test_groups_of_channels_are_as_many_convolutions(kind):
    layer = getattr(torch.nn, kind)
    grouped = layer(6, 6, 3, stride=2, groups=3)
    apart = [layer(2, 2, 3, stride=2) for _ in range(3)]
    images = torch.rand(2, 6, 9, 9, requires_grad=True)

    def run_apart(x):
        parts = zip(apart, x.chunk(3, dim=1), strict=True)
        return torch.cat([each(part) for each, part in parts], dim=1)

    operations = [
        count_operations(Call(lambda x, form=form: form(x).sum().backward(), images.clone))
        for form in (grouped, run_apart)
    ]
    assert operations[0] == operations[1] > 0


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
def test_peak_is_of_what_lives_at_the_same_time(device):
    def together():
        first = torch.zeros(MIB, dtype=torch.uint8, device=device)
        second = torch.zeros(2 * MIB, dtype=torch.uint8, device=device)
        del first, second

    def one_after_the_other():
        for size in (MIB, 2 * MIB, MIB):
            torch.zeros(size, dtype=torch.uint8, device=device)

    other = torch.zeros(8 * MIB, dtype=torch.uint8, device=device)  # alive before and after
    assert measure_peak(together, torch.device(device)) == 3 * MIB
    assert measure_peak(one_after_the_other, torch.device(device)) == 2 * MIB
    assert len(other) == 8 * MIB


def test_what_an_earlier_measurement_left_does_not_count():
    kept = []

    def keep():
        kept.append(torch.zeros(4 * MIB, dtype=torch.uint8))

    def replace():
        kept.clear()
        keep()
        kept.append(torch.zeros(2 * MIB, dtype=torch.uint8))

    assert measure_peak(keep, torch.device('cpu')) == 4 * MIB
    assert measure_peak(keep, torch.device('cpu')) == 4 * MIB
    # Of 8 MiB from before 8 go, and 6 come.
    assert measure_peak(lambda: torch.zeros(MIB, dtype=torch.uint8), torch.device('cpu')) == MIB
    assert measure_peak(replace, torch.device('cpu')) == 0


def test_peak_memory_adds_what_persists():
    step = ToyStep()
    output = 4 * 10 * 8 * 10 * 4
    assert 5 * MIB + output <= measure_peak_memory(step) < 6 * MIB


def test_any_model_or_function_can_be_measured():
    model = torch.nn.Linear(3, 5)
    seen = []

    def twice(batch):
        seen.append(batch)
        return model(model.weight.T @ model(batch).T)

    calls = {
        'once': Call(model, lambda: torch.ones(5, 3)),
        'twice': Call(twice, lambda: torch.ones(3, 3)),
    }
    told = []
    costs = measure_costs(calls, rounds=2, tell=told.append)
    assert costs['once'].multiply_adds == 5 * 3 * 5
    assert costs['twice'].multiply_adds == 3 * 3 * 5 + 3 * 5 * 3 + 3 * 3 * 5
    assert len({id(batch) for batch in seen}) == len(seen) == 4  # operations, memory, two rounds
    assert [len(cost.seconds) for cost in costs.values()] == [2, 2]
    assert len(told) == 2 + 2 * 2


def test_ratios_are_paired_before_their_median():
    # The machine was three times as slow in the second round, and ours was hit in the last.
    base = Costs(1, 1, [1.0, 3.0, 1.0])
    ours = Costs(1, 1, [1.5, 4.5, 9.0])
    assert ours.ratio(base, 'seconds') == 1.5
