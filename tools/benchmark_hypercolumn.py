"""Compare two forms of a linear classifier on hypercolumns: projected taps against concatenated ones.

Both get the same feature maps of one backbone, in one process, in turn. Operations are those of the
convolutions (two a multiplication and addition); time and memory are those of the classifier alone,
beyond the feature maps, memory by PyTorch's allocator. "test" is a forward pass without gradients,
"train" a forward and a backward pass up to the feature maps.
"""

import argparse
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

from labelenc_mm.benchmark.costs import measure_peak  # noqa: E402
from labelenc_mm.networks import HypercolumnProjection, TappedDenseNet, TappedVGG  # noqa: E402

BACKBONES = {
    'vgg16': TappedVGG,
    'densenet67': lambda: TappedDenseNet(67),
    'densenet121': lambda: TappedDenseNet(121),
}
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


def run_pass(form: Form, features: list[Tensor], size: tuple[int, int], mode: str) -> None:
    """One pass; "train" leaves gradients in the features."""
    with torch.set_grad_enabled(mode == 'train'):
        output = form(features, size)
    if mode == 'train':
        output.backward(output.detach())


def time_pass(form: Form, features: list[Tensor], size: tuple[int, int], mode: str) -> float:
    """Seconds of one pass."""
    is_cuda = features[0].is_cuda
    for feature in features:
        feature.grad = None
    gc.collect()
    if is_cuda:
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run_pass(form, features, size, mode)
    if is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def peak_of_pass(form: Form, features: list[Tensor], size: tuple[int, int], mode: str) -> int:
    """Bytes that PyTorch's allocator held at the peak of one pass, beyond those before."""
    for feature in features:
        feature.grad = None
    return measure_peak(lambda: run_pass(form, features, size, mode), features[0].device)


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
        # The passes that measure memory warm up.
        peaks = {name: peak_of_pass(form, features, size, mode) for name, form in forms.items()}
        seconds: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(args.repeats):
            for name, form in forms.items():
                seconds[name].append(time_pass(form, features, size, mode))
        figures[mode] = {}
        for name, plan in plans.items():
            figures[mode][name] = {
                'operations': count_operations(plan, maps, size)[mode],
                'bytes': peaks[name],
                'seconds': statistics.median(seconds[name]),
            }
        plain, ours = figures[mode].values()
        figures[mode]['ratio'] = {key: plain[key] / ours[key] for key in plain}
    return figures


def main(argv: list[str] | None = None) -> None:
    """Print the comparison."""
    args = parse_args(argv)
    if args.out is not None:  # before the work, whose result it will hold
        args.out.parent.mkdir(parents=True, exist_ok=True)
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
                f'{number / scale:.1f}{unit}'
                for number, (scale, unit) in zip(numbers, scales, strict=True)
            ]
            print(f'{mode:6}{name:16}{cells[0]:>14}{cells[1]:>12}{cells[2]:>12}')
    if args.out is not None:
        args.out.write_text(json.dumps({**vars(args), 'out': None, 'figures': figures}, indent=2))


if __name__ == '__main__':
    main()
