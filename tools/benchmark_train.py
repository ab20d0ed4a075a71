"""Measure what a label-encoded training iteration costs beside the stock detector's.

Preprocessing, forward pass, backward pass and optimizer step run on synthetic data, from random
weights and with the distance active; stock detector and label-encoded forms take turns, and every
ratio is one to the stock detector in the same round. Nothing is downloaded.
"""

import argparse
import functools
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

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed

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
time, CPU time              ratio to the stock detector of the same round, median; CPU time is that of
                            all threads and hardly depends on what else runs on the machine
operations                  the same ratio for multiply-adds of convolutions and matrix products (GMAC),
                            forward and backward: the bound, were everything else free
peak MiB, memory            weights, buffers, optimizer state and, on top, the peak of PyTorch's
                            allocator in an iteration; ratio to the stock detector
drawing, label maps         of one batch
encoding peak               of PyTorch's allocator from drawing to label features, with what the
                            backward pass needs in step 1"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', nargs='+', help='configs of label-encoded detectors')
    parser.add_argument(
        '--plain',
        action='store_true',
        help="also measure the plain form: dense maps, computed as the authors' code does",
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
        default=(800, 1344),
        metavar=('H', 'W'),
        help='default: 800 1344',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images (default: 1)')
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


def load_forms(args: argparse.Namespace) -> list[dict[str, Config]]:
    """Configs to compare by the name of the form, in groups of one stock detector (the first)."""
    from labelenc_mm.benchmark import plain_config
    from labelenc_mm.detection import stock_config

    groups: dict[str, dict[str, Config]] = {}
    for path in args.config:
        if not Path(path).is_file():
            raise FileNotFoundError(f'Config {path!r} does not exist.')
        config = Config.fromfile(path)
        if args.cfg_options:
            config.merge_from_dict(args.cfg_options)
        if not config.get('model', {}).get('labelenc'):
            raise ValueError(
                f'{path} has no model.labelenc; give configs of label-encoded detectors'
            )
        stock = stock_config(config)
        key = json.dumps([stock.model, stock.optim_wrapper], sort_keys=True, default=str)
        forms = groups.setdefault(key, {f'stock {stock.model.type}': stock})
        forms[Path(path).stem] = config
        if args.plain:
            forms[f'{Path(path).stem}, plain'] = plain_config(config)
    return list(groups.values())


def measure(forms: dict[str, Config], args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row of the report for each form, the stock detector's first."""
    from labelenc_mm.benchmark import TrainStep, Workload, measure_costs

    workload = Workload(
        tuple(args.image_size), args.batch_size, args.num_objects, args.num_present, args.seed
    )
    steps = {
        name: TrainStep(config, workload, args.device, args.amp) for name, config in forms.items()
    }
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


def describe(args: argparse.Namespace) -> dict[str, Any]:
    """Where and on what was measured."""
    import mmcv
    import mmdet
    import mmengine

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
        'precision': args.amp or 'fp32',
        'image size': 'x'.join(map(str, args.image_size)),
        'batch size': args.batch_size,
        'objects': f'{args.num_objects} of {args.num_present} classes',
        'rounds': args.rounds,
        'seed': args.seed,
        'versions': ', '.join(
            f'{module.__name__} {module.__version__}' for module in (torch, mmengine, mmcv, mmdet)
        )
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
    labelenc_mm.toolbox.require('mmcv', 'mmdet')
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    args.device = args.device or ('cuda' if get_device() == 'cuda' else 'cpu')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: PyTorch finds no GPU')
    if args.rounds < 1:
        raise ValueError(f'--rounds must be at least 1, got {args.rounds}')
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    # Building a detector logs a line for each of its weights.
    MMLogger.get_instance('benchmark', log_level='ERROR')
    groups = load_forms(args)
    init_default_scope('mmdet')
    tables = [measure(forms, args) for forms in groups]
    report = {'conditions': describe(args), 'tables': tables}
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
    try:
        benchmark(args)
    except (FileNotFoundError, ImportError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()
