"""Compare two forms of a linear classifier on hypercolumns: projected taps and concatenated ones.

Both get the same feature maps of one backbone, in one process, in turn; time and memory are those of the
classifier alone, beyond the feature maps. "test" is a forward pass without gradients, "train" a forward and
a backward pass up to the feature maps. Ratios say how many times as much the concatenated form takes.
"""

import argparse
import functools
import os
import sys

# Peak memory on a CPU is read from PyTorch's profiler, which would tell of each start and stop.
os.environ.setdefault('KINETO_LOG_LEVEL', '99')
os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')

import labelenc_mm.toolbox

labelenc_mm.toolbox.require('mmcv')

from labelenc_mm.benchmark.costs import measure_costs  # noqa: E402
from labelenc_mm.benchmark.hypercolumn import (  # noqa: E402
    BACKBONES,
    MODES,
    build_forms,
    largest_difference,
    pass_of,
)
from labelenc_mm.benchmark.options import add_options, apply_options  # noqa: E402
from labelenc_mm.benchmark.report import describe_machine, finish, make_rows  # noqa: E402
from labelenc_mm.command_line.config import without_traceback  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--backbone', choices=sorted(BACKBONES), default='vgg16')
    parser.add_argument('--image-size', nargs=2, type=int, default=(256, 256), metavar=('H', 'W'))
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--num-classes', type=int, default=21)
    add_options(parser)
    return parser.parse_args(argv)


def benchmark(args: argparse.Namespace) -> dict:
    """Measure and print; returns the report, with a table for each of ``MODES``."""
    apply_options(args)
    size = tuple(args.image_size)
    forms, features = build_forms(
        args.backbone, args.batch_size, size, args.num_classes, args.device
    )
    conditions = {
        **describe_machine(args.device, ('torch', 'mmengine', 'mmcv')),
        'backbone': args.backbone,
        'image size': 'x'.join(map(str, size)),
        'batch size': args.batch_size,
        'classes': args.num_classes,
        'rounds': args.rounds,
        'seed': args.seed,
        'largest difference, as a share of the largest score': largest_difference(
            forms, features, size
        ),
    }
    tables = []
    for mode in MODES:
        passes = {
            f'{name}, {mode}': pass_of(form, features, size, mode) for name, form in forms.items()
        }
        tell = functools.partial(print, file=sys.stderr, flush=True)
        costs = measure_costs(passes, args.rounds, tell)
        tables.append(make_rows(costs, args.batch_size, args.device))
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
