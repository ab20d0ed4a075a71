"""Compare two forms of a linear classifier on hypercolumns: projected taps against concatenated ones.

Both get the same feature maps of one backbone, in one process, in turn. Operations are those of the
convolutions (two a multiplication and addition); time and memory are those of the classifier alone,
beyond the feature maps. "test" is a forward pass without gradients, "train" a forward and a backward
pass up to the feature maps.
"""

import argparse
import ctypes
import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import labelenc_mm.toolbox

labelenc_mm.toolbox.require('mmcv')

from labelenc_mm.networks import HypercolumnProjection, TappedDenseNet, TappedVGG  # noqa: E402

BACKBONES = {
    'vgg16': TappedVGG,
    'densenet67': lambda: TappedDenseNet(67),
    'densenet121': lambda: TappedDenseNet(121),
}
STATUS = Path('/proc/self/status')
Form = Callable[[list[Tensor], tuple[int, int]], Tensor]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--backbone', choices=sorted(BACKBONES), default='vgg16')
    parser.add_argument('--size', nargs=2, type=int, default=(256, 256), metavar=('H', 'W'))
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--classes', type=int, default=21)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--repeats', type=int, default=5, help='timed passes (default: 5)')
    parser.add_argument('--out', type=Path, help='also write the figures to this json file')
    return parser.parse_args(argv)


def concatenated(projection: HypercolumnProjection) -> Form:
    """The plain form: upsample every tap, concatenate, classify."""

    def form(features: list[Tensor], size: tuple[int, int]) -> Tensor:
        column = torch.cat(
            [F.interpolate(f, size, mode='bilinear', align_corners=False) for f in features], dim=1
        )
        weight = torch.cat([conv.weight for conv in projection.projections], dim=1)
        return F.conv2d(column, weight, projection.bias)

    return form


def count_operations(form: Form, features: list[Tensor], size: tuple[int, int]) -> dict[str, int]:
    """Floating point operations of the two passes."""
    counts = {}
    with FlopCounterMode(display=False) as counter:
        output = form(features, size)
        counts['test'] = counter.get_total_flops()
        output.sum().backward()
    counts['train'] = counter.get_total_flops()
    return counts


class PeakMemory:
    """Bytes that a ``with`` block needed at its peak beyond those before; on CPU of the process."""

    def __init__(self, device: str) -> None:
        self.is_cuda = device.startswith('cuda')
        self.bytes: int | None = None

    def __enter__(self) -> 'PeakMemory':
        gc.collect()
        if self.is_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        elif STATUS.exists():
            # What is free goes back to the system first, and the mark of the peak to where it is.
            ctypes.CDLL(None).malloc_trim(0)
            Path('/proc/self/clear_refs').write_text('5')
            self.before = self._resident('VmRSS')
        return self

    def __exit__(self, *args: object) -> None:
        if self.is_cuda:
            torch.cuda.synchronize()
            self.bytes = torch.cuda.max_memory_allocated() - self.before
        elif STATUS.exists():
            self.bytes = self._resident('VmHWM') - self.before

    @staticmethod
    def _resident(key: str) -> int:
        lines = (line.split() for line in STATUS.read_text().splitlines())
        return next(int(words[1]) * 1024 for words in lines if words[0] == f'{key}:')


def measure(
    form: Form, features: list[Tensor], size: tuple[int, int], mode: str, device: str
) -> tuple[float, int | None]:
    """Seconds and peak bytes of one pass."""
    for feature in features:
        feature.grad = None
    with PeakMemory(device) as memory:
        begin = time.perf_counter()
        with torch.set_grad_enabled(mode == 'train'):
            output = form(features, size)
        if mode == 'train':
            output.backward(output.detach())
        if memory.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin
        del output
    return seconds, memory.bytes


def run(args: argparse.Namespace) -> dict:
    """Measure both forms in turn; the figures by form, with ratios."""
    size = tuple(args.size)
    with torch.device('meta'):
        backbone = BACKBONES[args.backbone]()
        shapes = [feature.shape for feature in backbone(torch.empty(args.batch, 3, *size))]
        options = (backbone.tap_channels, backbone.tap_strides, args.classes)
        on_meta = HypercolumnProjection(*options)
        maps = [torch.empty(shape, requires_grad=True) for shape in shapes]
    projection = HypercolumnProjection(*options).to(args.device)
    features = [torch.randn(shape, device=args.device, requires_grad=True) for shape in shapes]
    forms = {'concatenated': concatenated(projection), 'projected': projection}
    plans = {'concatenated': concatenated(on_meta), 'projected': on_meta}
    with torch.no_grad():
        outputs = [form(features, size) for form in forms.values()]
    difference = float((outputs[0] - outputs[1]).abs().max() / outputs[0].abs().max())
    del outputs
    figures: dict = {'largest_relative_difference': difference}
    for mode in ('test', 'train'):
        passes: dict[str, list] = {name: [] for name in forms}
        for _ in range(args.repeats + 1):
            for name, form in forms.items():
                passes[name].append(measure(form, features, size, mode, args.device))
        figures[mode] = {}
        for name, plan in plans.items():
            seconds, peaks = zip(*passes[name][1:], strict=True)  # the first pass warms up
            figures[mode][name] = {
                'operations': count_operations(plan, maps, size)[mode],
                'bytes': None if peaks[0] is None else statistics.median(peaks),
                'seconds': statistics.median(seconds),
            }
        plain, ours = figures[mode].values()
        figures[mode]['ratio'] = {
            key: plain[key] / ours[key] if ours[key] else None for key in plain
        }
    return figures


def main(argv: list[str] | None = None) -> None:
    """Print the comparison."""
    args = parse_args(argv)
    figures = run(args)
    height, width = args.size
    print(
        f'{args.backbone}, {args.batch} x {height} x {width}, {args.classes} classes, float32, '
        f'{args.device}, {torch.get_num_threads()} thread(s), torch {torch.__version__}'
    )
    print(f'largest difference: {figures["largest_relative_difference"]:.1e} of the largest score')
    print(f'{"":22}{"operations":>14}{"memory":>12}{"time":>12}')
    for mode in ('test', 'train'):
        for name, values in figures[mode].items():
            numbers = [values['operations'], values['bytes'], values['seconds']]
            scales = [(1e9, 'G'), (2**20, ' MiB'), (1e-3, ' ms')]
            if name == 'ratio':
                scales = [(1, 'x')] * 3
            cells = [
                'n/a' if number is None else f'{number / scale:.1f}{unit}'
                for number, (scale, unit) in zip(numbers, scales, strict=True)
            ]
            print(f'{mode:6}{name:16}{cells[0]:>14}{cells[1]:>12}{cells[2]:>12}')
    if args.out is not None:
        args.out.write_text(json.dumps({**vars(args), 'out': None, 'figures': figures}, indent=2))


if __name__ == '__main__':
    main()
