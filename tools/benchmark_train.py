"""Measure what an iteration of a training costs beside another's.

Of label-encoded detectors and segmentors with label structure beside the stock model's; of denoising
pretraining with a frozen encoder (DDeP) beside that of the whole model (DeP); of colorization at points
beside that at all pixels; of any configs beside that of --baseline. Preprocessing, forward pass, backward
pass and optimizer step run on synthetic data, from random weights and with all losses active; the models take
turns, and every ratio is one to the first row's in the same round. Nothing is downloaded, and no file that a
config names is read.
"""

import argparse
import functools
import os
import sys
from typing import Any

# Peak memory on a CPU is read from PyTorch's profiler, which would tell of each start and stop.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')
os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')

import torch
from mmengine.config import DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

# This also makes our models and configs known, before a config is parsed.
from labelenc_mm.benchmark import Task, Workload, build_train_step, measure_costs
from labelenc_mm.benchmark.forms import (
    Forms,
    find_common_task,
    group_forms,
    load_configs,
    with_label_shares,
)
from labelenc_mm.benchmark.loader import loaded_per_second
from labelenc_mm.benchmark.options import add_options, apply_options
from labelenc_mm.benchmark.report import describe_machine, finish, make_rows
from labelenc_mm.command_line.config import without_traceback


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        nargs='+',
        help='of label-encoded detectors, segmentors with label structure, or pretraining by denoising or '
        'colorization',
    )
    parser.add_argument(
        '--baseline',
        metavar='CONFIG',
        help='compare with this config, which may be any, in place of the stock models',
    )
    parser.add_argument(
        '--plain',
        action='store_true',
        help="also measure LabelEnc's plain form: dense maps, computed as the authors' code does",
    )
    parser.add_argument(
        '--label-shares',
        nargs='+',
        type=float,
        metavar='SHARE',
        help='a row of LabelEnc in one run for each of these values of labelenc.label_share',
    )
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
        help='default: 800 1344 for detectors, 512 512 for segmentors, 224 224 for denoising, 352 352 for '
        'colorization',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        help='images (default: 1 for detectors, 8 for pretraining, 2 for segmentors: some, such as '
        'PSPNet, normalise over images and take no single one)',
    )
    parser.add_argument(
        '--channels-last', action='store_true', help='weights and maps in this memory format'
    )
    parser.add_argument(
        '--loader',
        type=int,
        default=0,
        metavar='IMAGES',
        help='also load so many images of the training data of the first config, and tell how many a '
        'worker gives a second',
    )
    parser.add_argument('--num-objects', type=int, default=7, help='of an image (default: 7)')
    parser.add_argument(
        '--num-present', type=int, default=3, help='classes of these objects (default: 3)'
    )
    add_options(parser)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override entries of all configs: model.bbox_head.num_classes=1203',
    )
    return parser.parse_args(argv)


def measure(forms: Forms, task: Task, args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row of the report for each form."""
    workload = Workload(
        tuple(args.image_size), args.batch_size, args.num_objects, args.num_present, args.seed
    )
    steps = {
        name: build_train_step(task, config, workload, args.device, args.amp, args.channels_last)
        for name, config in forms.items()
    }
    first, *others = steps.values()
    for step in others:
        step.take_weights(first)
    costs = measure_costs(steps, args.rounds, functools.partial(print, file=sys.stderr, flush=True))
    rows = make_rows(costs, args.batch_size, args.device)
    for row, step in zip(rows, steps.values(), strict=True):
        row.update(task.further_costs(step))
    return rows


def benchmark(args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; returns the report."""
    apply_options(args)
    # Building a model logs a line for each of its weights.
    MMLogger.get_instance('benchmark', log_level='ERROR')
    paths = [*([args.baseline] if args.baseline else []), *args.config]
    configs = load_configs(paths, args.cfg_options)
    if args.label_shares:
        configs = with_label_shares(configs, args.label_shares)
    task = find_common_task(configs)
    torch.backends.cudnn.benchmark = all(
        (config.get('env_cfg') or {}).get('cudnn_benchmark', False) for config in configs.values()
    )
    args.image_size = args.image_size or task.image_size
    args.batch_size = task.batch_size if args.batch_size is None else args.batch_size
    baseline = next(iter(configs)) if args.baseline else None
    groups = group_forms(configs, task, baseline, args.plain)
    init_default_scope(task.scope)
    try:
        tables = [measure(forms, task, args) for forms in groups]
    except ValueError as error:
        if args.batch_size == 1 and 'more than 1 value per channel' in str(error):
            raise ValueError(
                f'{error}: the model normalises over images; give --batch-size 2'
            ) from error
        raise
    conditions = {
        **describe_machine(args.device, ('torch', 'mmengine', 'mmcv', task.scope), args.amp),
        'image size': 'x'.join(map(str, args.image_size)),
        'batch size': args.batch_size,
        'objects': f'{args.num_objects} of {args.num_present} classes',
        'memory format': 'channels_last' if args.channels_last else 'contiguous',
        'rounds': args.rounds,
        'seed': args.seed,
    }
    if args.loader > 0:
        speed = loaded_per_second(next(iter(configs.values())), args.loader)
        conditions['images / s of one worker'] = round(speed, 1)
    report = {'conditions': conditions, 'tables': tables}
    finish(report, args.json)
    return report


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        benchmark(args)


if __name__ == '__main__':
    main()
