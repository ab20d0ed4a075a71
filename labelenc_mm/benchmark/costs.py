"""Time, operations and memory of a training iteration, each measured by running it."""

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
class Costs:
    """What one form of a detector's iteration costs.

    Attributes:
        seconds: Wall clock, one per round.
        cpu_seconds: Time of all threads on the CPU, one per round. Hardly changes with the load of the
            machine, unlike ``seconds``.
        multiply_adds: Of convolutions and matrix products, forward and backward.
        peak_bytes: Weights, buffers and optimizer state, and on top the largest sum of tensors alive
            at a time during an iteration.
        draw_seconds: Drawing the label maps of a batch, median; None without label maps.
        map_bytes: Size of these maps.
    """

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    multiply_adds: int = 0
    peak_bytes: int = 0
    draw_seconds: float | None = None
    map_bytes: int | None = None

    def ratio(self, base: 'Costs', name: str) -> float:
        """The median over rounds of this form's share of another's, round by round."""
        pairs = zip(getattr(self, name), getattr(base, name), strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def time_rounds(steps: Mapping[str, TrainStep], costs: Mapping[str, Costs], rounds: int) -> None:
    """Run all forms in turn, ``rounds`` times, so that a change of load meets all of them."""
    for _ in range(rounds):
        for name, step in steps.items():
            batch = step.fresh_batch()
            gc.collect()
            wall, cpu = _timed(lambda step=step, batch=batch: step(batch), step.device)
            costs[name].seconds.append(wall)
            costs[name].cpu_seconds.append(cpu)


def time_drawing(step: TrainStep, repeats: int = 5) -> tuple[float, int]:
    """Median seconds to draw a batch's label maps, and their size in bytes."""
    data = step.detector.data_preprocessor(step.fresh_batch(), True)
    maps = step.draw(data['data_samples'])
    times = [_timed(lambda: step.draw(data['data_samples']), step.device)[0] for _ in range(repeats)]
    return statistics.median(times), sum(m.numel() * m.element_size() for _, m in maps)


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
    costs is not in it.
    """
    batch = step.fresh_batch()
    gc.collect()
    if step.device.type == 'cuda':
        torch.cuda.synchronize(step.device)
        before = torch.cuda.memory_allocated(step.device)
        torch.cuda.reset_peak_memory_stats(step.device)
        step(batch)
        torch.cuda.synchronize(step.device)
        peak = torch.cuda.max_memory_allocated(step.device) - before
    else:
        peak = _cpu_peak(lambda: step(batch))
    return step.persistent_bytes() + peak


def _cpu_peak(function: Callable[[], object]) -> int:
    """The largest sum of bytes that a function had allocated at a time, as the profiler records it."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        profiler.export_chrome_trace(str(path))
        events: Sequence[dict] = json.loads(path.read_text())['traceEvents']
    return max(
        event['args']['Total Allocated'] for event in events if event.get('name') == '[memory]'
    )


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
