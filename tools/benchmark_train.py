"""Measure what a training iteration with supervision of ours costs beside the stock model's.

For label-encoded detectors and segmentors with label structure. Preprocessing, forward pass, backward
pass and optimizer step run on synthetic data, from random weights and with all losses active; stock
model and our forms take turns, and every ratio is one to the stock model in the same round. Nothing is
downloaded, and no file that a config names is read.
"""

import argparse
import functools
import importlib
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

# Peak memory on a CPU is read from PyTorch's profiler, which would tell of each start and stop.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')
os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

# This also makes our models and configs known, before a config is parsed.
from labelenc_mm.benchmark import Task, TrainStep, Workload, find_task, measure_costs
from labelenc_mm.command_line.config import read_config, without_traceback

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
    'draw_milliseconds': 'drawing ms',
    'map_mib': 'label maps MiB',
    'encoding_peak_mib': 'encoding peak MiB',
}
LEGEND = """\
s / iteration, images / s   median over rounds
time, CPU time              ratio to the stock model of the same round, median; CPU time is that of
                            all threads and hardly depends on what else runs on the machine
operations                  the same ratio for multiply-adds of convolutions and matrix products (GMAC),
                            forward and backward: the bound, were everything else free
peak MiB, memory            weights, buffers, optimizer state and, on top, the peak of PyTorch's
                            allocator in an iteration; ratio to the stock model
drawing, label maps         of one batch, of label-encoded detectors
encoding peak               of PyTorch's allocator from drawing to label features, with what the
                            backward pass needs in step 1"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        nargs='+',
        help='of label-encoded detectors, or of segmentors with label structure',
    )
    parser.add_argument(
        '--plain',
        action='store_true',
        help="also measure LabelEnc's plain form: dense maps, computed as the authors' code does",
    )
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='default: a GPU if there is one')
    parser.add_argument(
        '--amp',
        choices=['fp16', 'bf16'],
        help='automatic mixed precision (CPU: bf16 alone); without it fp32, whatever the config says',
    )
    parser.add_argument(
        '--image-size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help='default: 800 1344 for detectors, 512 512 for segmentors',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        help='images (default: 1 for detectors, 2 for segmentors: some, such as PSPNet, normalise '
        'over images and take no single one)',
    )
    parser.add_argument('--num-objects', type=int, default=7, help='of an image (default: 7)')
    parser.add_argument(
        '--num-present', type=int, default=3, help='classes of these objects (default: 3)'
    )
    parser.add_argument('--rounds', type=int, default=3, help='timed iterations (default: 3)')
    parser.add_argument(
        '--threads', type=int, help='of PyTorch on the CPU (default: its own choice)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of weights and data (default: 0)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the report there')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override entries of all configs: model.bbox_head.num_classes=1203',
    )
    return parser.parse_args(argv)


def load_configs(args: argparse.Namespace) -> dict[str, Config]:
    """The configs by the name of the form."""
    configs: dict[str, Config] = {}
    for path in args.config:
        config = read_config(path, args.cfg_options)
        if not config.get('optim_wrapper'):
            raise ValueError(f'{path} has no optim_wrapper: its iteration has no optimizer')
        name = Path(path).stem
        configs[str(Path(path).with_suffix('')) if name in configs else name] = config
    return configs


def find_common_task(configs: dict[str, Config]) -> Task:
    """The task of all configs."""
    tasks = {task.scope: task for task in map(find_task, configs.values())}
    if len(tasks) > 1:
        raise ValueError('detectors and segmentors cannot be compared; measure them one by one')
    return next(iter(tasks.values()))


def group_forms(
    configs: dict[str, Config], task: Task, with_plain: bool
) -> list[dict[str, Config]]:
    """Configs to compare by the name of the form, in groups of one stock model (the first)."""
    groups: dict[str, dict[str, Config]] = {}
    for name, config in configs.items():
        stock = task.stock_config(config)
        key = json.dumps([stock.model, stock.optim_wrapper], sort_keys=True, default=str)
        forms = groups.setdefault(key, {f'stock {task.title(stock)}': stock})
        forms[name] = config
        if with_plain:
            forms[f'{name}, plain'] = task.plain_config(config)
    return list(groups.values())


def measure(forms: dict[str, Config], args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row of the report for each form, the stock model's first."""
    workload = Workload(
        tuple(args.image_size), args.batch_size, args.num_objects, args.num_present, args.seed
    )
    steps = {
        name: TrainStep(config, workload, args.device, args.amp) for name, config in forms.items()
    }
    stock, *others = steps.values()
    for step in others:
        step.take_weights(stock)
    costs = measure_costs(steps, args.rounds, functools.partial(print, file=sys.stderr, flush=True))
    base = next(iter(costs.values()))
    rows = []
    for name, cost in costs.items():
        seconds = statistics.median(cost.seconds)
        row = {
            'form': name,
            'seconds': seconds,
            'images_per_second': args.batch_size / seconds,
            'time_ratio': cost.ratio(base, 'seconds'),
            'cpu_time_ratio': cost.ratio(base, 'cpu_seconds') if args.device == 'cpu' else None,
            'operations_ratio': cost.multiply_adds / base.multiply_adds,
            'giga_multiply_adds': cost.multiply_adds / 1e9,
            'peak_mib': cost.peak_bytes / 2**20,
            'memory_ratio': cost.peak_bytes / base.peak_bytes,
            'rounds': {'seconds': cost.seconds, 'cpu_seconds': cost.cpu_seconds},
        }
        if cost.label_maps is not None:
            row['draw_milliseconds'] = cost.label_maps.draw_seconds * 1e3
            row['map_mib'] = cost.label_maps.map_bytes / 2**20
            row['encoding_peak_mib'] = cost.label_maps.encoding_peak_bytes / 2**20
        rows.append(row)
    return rows


def describe(args: argparse.Namespace, task: Task) -> dict[str, Any]:
    """Where and on what was measured."""
    modules = [importlib.import_module(name) for name in ('torch', 'mmengine', 'mmcv', task.scope)]
    # PyTorch's own choice for convolutions on GPUs that have it.
    uses_tf32 = args.device == 'cuda' and torch.backends.cudnn.allow_tf32
    if args.device == 'cuda':
        device = torch.cuda.get_device_name()
    else:
        lines = Path('/proc/cpuinfo').read_text() if Path('/proc/cpuinfo').exists() else ''
        names = [line.split(':')[1].strip() for line in lines.splitlines() if 'model name' in line]
        device = names[0] if names else platform.processor()
    return {
        'device': f'{args.device} ({device})',
        'threads': torch.get_num_threads(),
        'load average': round(os.getloadavg()[0], 1),
        'precision': args.amp or ('TF32' if uses_tf32 else 'fp32'),
        'image size': 'x'.join(map(str, args.image_size)),
        'batch size': args.batch_size,
        'objects': f'{args.num_objects} of {args.num_present} classes',
        'rounds': args.rounds,
        'cudnn_benchmark': torch.backends.cudnn.benchmark,
        'seed': args.seed,
        'versions': ', '.join(f'{module.__name__} {module.__version__}' for module in modules)
        + f', python {platform.python_version()}',
    }


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


def benchmark(args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; returns the report."""
    args.device = args.device or ('cuda' if get_device() == 'cuda' else 'cpu')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: PyTorch finds no GPU')
    if args.rounds < 1:
        raise ValueError(f'--rounds must be at least 1, got {args.rounds}')
    if args.json is not None:  # before the work, whose result it will hold
        args.json.parent.mkdir(parents=True, exist_ok=True)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    # Building a model logs a line for each of its weights.
    MMLogger.get_instance('benchmark', log_level='ERROR')
    configs = load_configs(args)
    task = find_common_task(configs)
    torch.backends.cudnn.benchmark = all(
        (config.get('env_cfg') or {}).get('cudnn_benchmark', False) for config in configs.values()
    )
    args.image_size = args.image_size or task.image_size
    args.batch_size = task.batch_size if args.batch_size is None else args.batch_size
    groups = group_forms(configs, task, args.plain)
    init_default_scope(task.scope)
    try:
        tables = [measure(forms, args) for forms in groups]
    except ValueError as error:
        if args.batch_size == 1 and 'more than 1 value per channel' in str(error):
            raise ValueError(
                f'{error}: the model normalises over images; give --batch-size 2'
            ) from error
        raise
    report = {'conditions': describe(args, task), 'tables': tables}
    print('\n'.join(f'{key}: {value}' for key, value in report['conditions'].items()))
    for rows in tables:
        print(f'\n{format_table(rows)}')
    print(f'\n{LEGEND}')
    if args.json is not None:
        args.json.write_text(json.dumps(report, indent=1) + '\n')
    return report


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        benchmark(args)


if __name__ == '__main__':
    main()
