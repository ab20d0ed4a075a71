"""The report of a benchmark: a row for each thing that was measured, and where it was measured."""

import importlib
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from labelenc_mm.benchmark.costs import Costs

COLUMNS = {
    'form': 'form',
    'seconds': 's / iteration',
    'images_per_second': 'images / s',
    'time_ratio': 'time',
    'cpu_time_ratio': 'CPU time',
    'operations_ratio': 'operations',
    'giga_multiply_adds': 'GMAC',
    'peak_mib': 'peak MiB',
    'memory_ratio': 'memory',
    'model_mib': 'model MiB',
    'draw_milliseconds': 'drawing ms',
    'map_mib': 'object maps MiB',
    'encoding_peak_mib': 'encoding peak MiB',
    'noise_milliseconds': 'noise ms',
    'target_milliseconds': 'targets ms',
    'target_mib': 'targets MiB',
}
LEGEND = """\
s / iteration, images / s   median over rounds
time, CPU time              ratio to the first row in the same round, median; CPU time is that of all
                            threads and hardly depends on what else runs on the machine
operations                  the same ratio for multiply-adds of convolutions and matrix products (GMAC),
                            forward and backward: the bound, were everything else free
peak MiB, memory            what lives between iterations (weights, buffers, optimizer state) and, on
                            top, the peak of PyTorch's allocator in an iteration; ratio to the first row"""
LABEL_MAPS_LEGEND = """\
drawing, object maps        of one batch, of label-encoded detectors
encoding peak               of PyTorch's allocator from drawing to label features, with what the
                            backward pass needs in step 1"""

NOISE_LEGEND = """\
noise                       what corrupting a batch takes, median"""

TARGETS_LEGEND = """\
targets                     what making the color targets of a batch takes, median (CPU time on a CPU),
                            and the peak of PyTorch's allocator on top"""


def make_rows(costs: Mapping[str, Costs], batch_size: int, device: str) -> list[dict[str, Any]]:
    """One row for each thing; ratios are to the first."""
    base = next(iter(costs.values()))
    rows = []
    for name, cost in costs.items():
        seconds = statistics.median(cost.seconds)
        rows.append(
            {
                'form': name,
                'seconds': seconds,
                'images_per_second': batch_size / seconds,
                'time_ratio': cost.ratio(base, 'seconds'),
                'cpu_time_ratio': cost.ratio(base, 'cpu_seconds') if device == 'cpu' else None,
                'operations_ratio': cost.multiply_adds / base.multiply_adds,
                'giga_multiply_adds': cost.multiply_adds / 1e9,
                'peak_mib': cost.peak_bytes / 2**20,
                'memory_ratio': cost.peak_bytes / base.peak_bytes,
                'rounds': {'seconds': cost.seconds, 'cpu_seconds': cost.cpu_seconds},
            }
        )
    return rows


def describe_machine(device: str, modules: Sequence[str], amp: str | None = None) -> dict[str, Any]:
    """Where was measured: device, precision, threads, load and versions of modules."""
    # PyTorch's own choice for convolutions on GPUs that have it.
    uses_tf32 = device == 'cuda' and torch.backends.cudnn.allow_tf32
    if device == 'cuda':
        name = torch.cuda.get_device_name()
    else:
        lines = Path('/proc/cpuinfo').read_text() if Path('/proc/cpuinfo').exists() else ''
        names = [line.split(':')[1].strip() for line in lines.splitlines() if 'model name' in line]
        name = names[0] if names else platform.processor()
    loaded = [importlib.import_module(module) for module in modules]
    return {
        'device': f'{device} ({name})',
        'threads': torch.get_num_threads(),
        'load average': round(os.getloadavg()[0], 1),
        'precision': amp or ('TF32' if uses_tf32 else 'fp32'),
        'cudnn_benchmark': torch.backends.cudnn.benchmark,
        'versions': ', '.join(f'{module.__name__} {module.__version__}' for module in loaded)
        + f', python {platform.python_version()}',
    }


def finish(report: Mapping[str, Any], path: Path | None) -> None:
    """Print a report, ``conditions`` and ``tables`` of rows, and write it to a json file if asked to."""
    print('\n'.join(f'{key}: {value}' for key, value in report['conditions'].items()))
    for rows in report['tables']:
        print(f'\n{format_table(rows)}')
    print(f'\n{LEGEND}')
    if any('map_mib' in row for rows in report['tables'] for row in rows):
        print(LABEL_MAPS_LEGEND)
    if any('noise_milliseconds' in row for rows in report['tables'] for row in rows):
        print(NOISE_LEGEND)
    if any('target_mib' in row for rows in report['tables'] for row in rows):
        print(TARGETS_LEGEND)
    if path is not None:
        path.write_text(json.dumps(report, indent=1) + '\n')


def format_table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of the columns that have values."""
    columns = [key for key in COLUMNS if any(row.get(key) is not None for row in rows)]
    lines = [[COLUMNS[key] for key in columns], ['---'] + ['---:'] * (len(columns) - 1)]
    for row in rows:
        lines.append([_cell(row.get(key)) for key in columns])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ''
    if isinstance(value, str):
        return value
    return f'{value:.0f}' if value >= 1000 else f'{value:.3g}'
