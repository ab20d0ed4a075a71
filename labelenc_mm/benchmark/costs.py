"""Time, operations and memory of a training iteration, each measured by running it."""

import functools
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from labelenc_mm.benchmark.train_step import TrainStep


@dataclass
class LabelMapCosts:
    """What the label maps of a batch cost.

    Attributes:
        draw_seconds: To draw them, median.
        map_bytes: Their size.
        encoding_peak_bytes: Peak of PyTorch's allocator from drawing to label features; in step 1 with
            what the backward pass needs.
    """

    draw_seconds: float
    map_bytes: int
    encoding_peak_bytes: int


@dataclass
class Costs:
    """What one form of a model's iteration costs.

    Attributes:
        multiply_adds: Of convolutions and matrix products, forward and backward.
        peak_bytes: Weights, buffers and optimizer state, and on top the peak of PyTorch's allocator.
        label_maps: None where none are drawn.
        seconds: Wall clock, one per round.
        cpu_seconds: Time of all threads on the CPU, one per round. Hardly changes with the load of the
            machine, unlike ``seconds``.
    """

    multiply_adds: int
    peak_bytes: int
    label_maps: LabelMapCosts | None
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def ratio(self, base: 'Costs', name: str) -> float:
        """The median over rounds of this form's share of another's, round by round."""
        pairs = zip(getattr(self, name), getattr(base, name), strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def measure_costs(
    steps: Mapping[str, TrainStep], rounds: int, tell: Callable[[str], object] | None = None
) -> dict[str, Costs]:
    """Measure forms of a model beside each other.

    The forms take turns in every round, so that a change of load meets all of them; counting
    operations and memory before is their warm-up.

    Args:
        steps: Forms by name.
        rounds: Timed iterations of each.
        tell: Called with a line of text when something was measured: an iteration can take long.
    """
    tell = tell or (lambda line: None)
    costs = {}
    for name, step in steps.items():
        costs[name] = cost = Costs(
            count_operations(step),
            measure_peak_memory(step),
            measure_label_maps(step) if step.draws_label_maps else None,
        )
        tell(f'{name}: {cost.multiply_adds / 1e9:.4g} GMAC, {cost.peak_bytes / 2**20:.0f} MiB')
    for index in range(rounds):
        for name, step in steps.items():
            batch = step.fresh_batch()
            gc.collect()
            wall, cpu = _timed(functools.partial(step, batch), step.device)
            costs[name].seconds.append(wall)
            costs[name].cpu_seconds.append(cpu)
            tell(f'round {index + 1}, {name}: {wall:.3g} s, {cpu:.3g} s on the CPU')
    return costs


def count_operations(step: TrainStep) -> int:
    """Multiply-adds of an iteration's convolutions and matrix products, counted while it runs.

    Operators that PyTorch does not know, such as mmcv's deformable convolution, are not counted.
    """
    with FlopCounterMode(display=False) as counter:
        step(step.fresh_batch())
    return counter.get_total_flops() // 2


def measure_peak_memory(step: TrainStep) -> int:
    """Bytes that an iteration needs: what persists, and the peak of PyTorch's allocator on top.

    What libraries take for themselves (workspaces of oneDNN, the CUDA context) and what fragmentation
    costs is not in it; cuDNN's workspaces, which come from PyTorch's allocator, are.
    """
    persistent = step.persistent_bytes()
    return persistent + measure_peak(functools.partial(step, step.fresh_batch()), step.device)


def measure_label_maps(step: TrainStep, repeats: int = 5) -> LabelMapCosts:
    """Draw and encode the label maps of the batch."""
    data = step.preprocessed()
    maps = step.draw(data)
    times = [_timed(lambda: step.draw(data), step.device)[0] for _ in range(repeats)]
    return LabelMapCosts(
        statistics.median(times),
        sum(image.numel() * image.element_size() for _, image in maps),
        measure_peak(lambda: step.encode(data), step.device),
    )


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


def _timed(function: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds by the clock and on the CPU until a function's work is done on the device."""
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    _wait(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
