"""Time, operations and memory of whatever runs: an iteration of a training, a pass of a model, a function."""

import functools
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_backward_flop


class Step(Protocol):
    """What is measured: it runs on a batch that is made outside of the measurement."""

    device: torch.device

    def fresh_batch(self) -> Any:
        """What one run needs; runs may change it."""

    def __call__(self, batch: Any) -> object:
        """The run."""

    def persistent_bytes(self) -> int:
        """Size of what lives between runs."""


@dataclass
class Call:
    """Any function as a step.

    Attributes:
        function: Runs on what ``fresh_batch`` gives: ``Call(model, lambda: images)`` is a model's
            forward pass.
        fresh_batch: Makes the argument.
        device: Where the function computes.
        persistent: Bytes that live between runs, if they are to count.
    """

    function: Callable[[Any], object]
    fresh_batch: Callable[[], Any]
    device: torch.device = torch.device('cpu')  # noqa: RUF009  (immutable)
    persistent: int = 0

    def __call__(self, batch: Any) -> object:
        """Run the function."""
        return self.function(batch)

    def persistent_bytes(self) -> int:
        """What was given."""
        return self.persistent


@dataclass
class Costs:
    """What one step costs.

    Attributes:
        multiply_adds: Of convolutions and matrix products, forward and backward.
        peak_bytes: What lives between runs (weights, buffers, optimizer state), and on top the peak of
            PyTorch's allocator.
        seconds: Wall clock, one per round.
        cpu_seconds: Time of all threads on the CPU, one per round. Hardly changes with the load of the
            machine, unlike ``seconds``.
    """

    multiply_adds: int
    peak_bytes: int
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def ratio(self, base: 'Costs', name: str) -> float:
        """The median over rounds of this step's share of another's, round by round."""
        pairs = zip(getattr(self, name), getattr(base, name), strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def measure_costs(
    steps: Mapping[str, Step], rounds: int, tell: Callable[[str], object] | None = None
) -> dict[str, Costs]:
    """Measure steps beside each other.

    They take turns in every round, so that a change of load meets all of them; counting operations and
    memory before is their warm-up.

    Args:
        steps: By name.
        rounds: Timed runs of each.
        tell: Called with a line of text when something was measured: a run can take long.
    """
    tell = tell or (lambda line: None)
    costs = {}
    for name, step in steps.items():
        costs[name] = cost = Costs(count_operations(step), measure_peak_memory(step))
        tell(f'{name}: {cost.multiply_adds / 1e9:.4g} GMAC, {cost.peak_bytes / 2**20:.0f} MiB')
    for index in range(rounds):
        for name, step in steps.items():
            batch = step.fresh_batch()
            gc.collect()
            wall, cpu = time_of(functools.partial(step, batch), step.device)
            costs[name].seconds.append(wall)
            costs[name].cpu_seconds.append(cpu)
            tell(f'round {index + 1}, {name}: {wall:.3g} s, {cpu:.3g} s on the CPU')
    return costs


def count_operations(step: Step) -> int:
    """Multiply-adds of a run's convolutions and matrix products, counted while it runs.

    Operators that PyTorch does not know, such as mmcv's deformable convolution, are not counted.
    """
    mapping = {torch.ops.aten.convolution_backward: _operations_of_gradients}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        step(step.fresh_batch())
    return counter.get_total_flops() // 2


def _operations_of_gradients(*shapes_and_options: Any, out_shape: Any) -> int:
    """As PyTorch counts them, which takes the gradients of a grouped convolution's weights for dense ones."""
    *others, groups, (of_input, of_weight, _) = shapes_and_options
    count: Any = conv_backward_flop  # its type does not tell what its decorator takes
    dense = count(*others, groups, [False, of_weight, False], out_val=out_shape)
    rest = count(*others, groups, [of_input, False, False], out_val=out_shape)
    return rest + dense // groups


def measure_peak_memory(step: Step) -> int:
    """Bytes that a run needs: what persists, and the peak of PyTorch's allocator on top.

    What libraries take for themselves (workspaces of oneDNN, the CUDA context) and what fragmentation
    costs is not in it; cuDNN's workspaces, which come from PyTorch's allocator, are.
    """
    persistent = step.persistent_bytes()
    return persistent + measure_peak(functools.partial(step, step.fresh_batch()), step.device)


def measure_peak(function: Callable[[], object], device: torch.device) -> int:
    """The largest sum of bytes that a function had allocated on a device at a time.

    What was allocated before does not count. On one machine the figure is always the same.
    """
    gc.collect()
    if device.type != 'cuda':
        return _cpu_peak(function)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    # What was asked for: the size of a block depends on what the allocator has kept.
    before = torch.cuda.memory_stats(device)['requested_bytes.all.current']
    function()
    torch.cuda.synchronize(device)
    return torch.cuda.memory_stats(device)['requested_bytes.all.peak'] - before


def _cpu_peak(function: Callable[[], object]) -> int:
    """The same on the CPU, where the profiler keeps the sum."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        profiler.export_chrome_trace(str(path))
        events: Sequence[dict] = json.loads(path.read_text())['traceEvents']
    memory = sorted((e for e in events if e.get('name') == '[memory]'), key=lambda e: e['ts'])
    totals = [event['args']['Total Allocated'] for event in memory]
    # The sum goes on from what functions profiled before have left allocated.
    before = totals[0] - memory[0]['args']['Bytes']
    return max(before, *totals) - before


def time_of(function: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds by the clock and on the CPU until a function's work is done on the device."""
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    _wait(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
