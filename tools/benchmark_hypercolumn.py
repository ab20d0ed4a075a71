"""Compare two forms of a linear classifier on hypercolumns: projected taps and concatenated ones.

With --table4, compare PixelNet's networks instead: a training pass of VGG-16 with FCN's and with hypercolumn
classifiers, at all pixels and at points. Rows are named by --rows, with * for anything; ratios are to the
first row, the sparse network of three layers.

Without it, both get the same feature maps of one backbone, in one process, in turn; time and memory are
those of the classifier alone, beyond the feature maps. "test" is a forward pass without gradients, "train" a
forward and a backward pass up to the feature maps. Ratios say how many times as much the concatenated form
takes.
"""

import argparse
import functools
import os
import sys
from fnmatch import fnmatch

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
    parser.add_argument('--image-size', nargs=2, type=int, metavar=('H', 'W'))
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--num-classes', type=int, default=21)
    table4 = parser.add_argument_group("PixelNet's networks")
    table4.add_argument('--table4', action='store_true', help='measure them; image size 224 224')
    table4.add_argument(
        '--rows',
        nargs='+',
        default=['*'],
        help='which, e.g. "sparse*" "dense, fc-3"; the first row always',
    )
    table4.add_argument('--points', type=int, default=2000, help='an image (default: 2000)')
    table4.add_argument('--width', type=int, default=4096, help='of hidden layers (default: 4096)')
    table4.add_argument(
        '--base-channels', type=int, default=64, help='of VGG-16, fc6 and fc7 of 64 times as many'
    )
    add_options(parser)
    return parser.parse_args(argv)


def benchmark(args: argparse.Namespace) -> dict:
    """Measure and print; returns the report, with a table for each of ``MODES``."""
    apply_options(args)
    if args.table4:
        return benchmark_table4(args)
    size = tuple(args.image_size or (256, 256))
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


def benchmark_table4(args: argparse.Namespace) -> dict:
    """Measure the rows of PixelNet's Table 4 and print; returns the report, with one table."""
    labelenc_mm.toolbox.require('mmseg')
    from labelenc_mm.benchmark.pixelnet import PixelNetworks, largest_difference, table_4

    networks = PixelNetworks(
        size=tuple(args.image_size or (224, 224)),
        batch_size=args.batch_size,
        num_points=args.points,
        width=args.width,
        num_classes=args.num_classes,
        device=args.device,
        backbone=dict(base_channels=args.base_channels, fc_channels=64 * args.base_channels),
    )
    rows = table_4(networks)
    unknown = [each for each in args.rows if not any(fnmatch(name, each) for name in rows)]
    if unknown:
        raise ValueError(
            f'--rows: none is called {", ".join(unknown)}. There are {"; ".join(rows)}'
        )
    first = next(iter(rows))
    chosen = [n for n in rows if n == first or any(fnmatch(n, each) for each in args.rows)]
    rows = {name: rows[name] for name in chosen}
    conditions = {
        **describe_machine(args.device, ('torch', 'mmengine', 'mmcv', 'mmseg')),
        'network': 'vgg16',
        'image size': 'x'.join(map(str, networks.size)),
        'batch size': args.batch_size,
        'points an image': networks.drawn.cells.shape[1],
        'width of hidden layers': args.width,
        'classes': args.num_classes,
        'rounds': args.rounds,
        'seed': args.seed,
        'largest difference between forms, as a share of the largest score': largest_difference(
            rows
        ),
    }
    tell = functools.partial(print, file=sys.stderr, flush=True)
    table = make_rows(measure_costs(rows, args.rounds, tell), args.batch_size, args.device)
    for row in table:
        row['model_mib'] = rows[row['form']].persistent_bytes() / 2**20
    report = {'conditions': conditions, 'tables': [table]}
    finish(report, args.json)
    return report


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        benchmark(args)


if __name__ == '__main__':
    main()
