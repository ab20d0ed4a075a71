"""Look into the layers of a backbone: what its units respond to, and how a fine-tuning has changed them.

Figures 2, 3 and 5 of "Colorization as a Proxy Task for Visual Understanding" (CVPR 2017), for any backbone of
a config of MMSegmentation.

PATCHES: top_patches_<layer>.png has a row of patches for some units of each layer, the parts of --photos at
which they respond most, in color, whether or not the network sees color. With --after a second block has
those of the same unit after the fine-tuning (Figure 2).

SHIFT, with --after: the correlation of each unit's activations before and after, over all cells on all
photos; feature_shift.md and .png have the median and quartiles of each layer (Figure 3), feature_shift.json
every unit.

Units are spread evenly over their numbers, or, with --after, from the least to the most changed one; they are
never chosen by how they look.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import DictAction
from mmengine.registry import init_default_scope

# This also makes our models and configs known, before a config is parsed, and loading safe.
import labelenc_mm.toolbox
from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.files import replacing


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a pretraining, or of a segmentor')
    parser.add_argument('checkpoint', help='its checkpoint, or pretrained_segmentor.pth')
    parser.add_argument(
        '--after', nargs=2, metavar=('CONFIG', 'CHECKPOINT'), help='the same backbone, fine-tuned'
    )
    parser.add_argument(
        '--photos',
        type=Path,
        required=True,
        help='folder of held-out photos, or a list beside them',
    )
    parser.add_argument('--size', type=int, default=224, help='side of the photos (default: 224)')
    parser.add_argument('--batch-size', type=int, default=8, help='photos at once (default: 8)')
    parser.add_argument(
        '--layers', nargs='+', help='paths of modules of the backbone (default: its taps)'
    )
    parser.add_argument('--units', nargs='+', type=int, help='whose patches are shown, by number')
    parser.add_argument(
        '--num-units', type=int, default=12, help='otherwise: how many (default: 12)'
    )
    parser.add_argument('--patches', type=int, default=8, help='a unit, or 0 for none (default: 8)')
    parser.add_argument(
        '--window',
        type=int,
        help='side of a patch in pixels (default: what the unit sees, at most half of the photo)',
    )
    parser.add_argument(
        '--output-dir', type=Path, help='where files go (default: work_dirs/<name of the config>)'
    )
    parser.add_argument('--device', default='cpu', help='where activations are computed')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override entries of CONFIG, and of that of --after: key=value',
    )
    return parser.parse_args(argv)


def analyze(args: argparse.Namespace) -> list[Path]:
    """Save what was asked for and return the paths."""
    labelenc_mm.toolbox.require('mmcv', 'mmseg')
    from labelenc_mm.analysis.unit_analysis import Analysis, State, read_photos

    for name, least in (('size', 1), ('batch_size', 1), ('num_units', 1), ('patches', 0)):
        if getattr(args, name) < least:
            raise ValueError(f'--{name.replace("_", "-")} must be at least {least}')
    init_default_scope('mmseg')
    pairs = [(args.config, args.checkpoint), *([args.after] if args.after else [])]
    states = [
        State(
            read_config(path, args.cfg_options, 'mmseg', 'units are of its backbones'),
            checkpoint,
            args.device,
        )
        for path, checkpoint in pairs
    ]
    layers = args.layers or states[0].layers()
    modules = [name for name, _ in states[0].backbone.named_modules()]
    unknown = [layer for layer in layers if layer not in modules]
    if not layers or unknown:
        raise ValueError(
            f'--layers {" ".join(layers)}: {type(states[0].backbone).__name__} has no '
            f'{", ".join(unknown) or "taps"}; name modules of it: '
            f'{", ".join(name for name, _ in states[0].backbone.named_children())}'
        )
    photos = read_photos(args.photos, args.size)
    analysis = Analysis(states, layers, args.patches)
    analysis.run(photos, args.batch_size)
    folder = args.output_dir or Path('work_dirs') / Path(args.config).stem
    folder.mkdir(parents=True, exist_ok=True)
    return [*save_shift(analysis, folder), *save_patches(analysis, photos, args, folder)]


def save_shift(analysis: Any, folder: Path) -> list[Path]:
    """Table, plot and numbers of the correlations, and print the table."""
    from labelenc_mm.analysis.feature_shift import draw, table
    from labelenc_mm.analysis.pictures import save_figure

    if not analysis.shifts:
        return []
    shifts = {layer: correlation.result() for layer, correlation in analysis.shifts.items()}
    print(table(shifts))
    paths = [folder / f'feature_shift.{ending}' for ending in ('md', 'json', 'png')]
    units = {k: [None if np.isnan(c) else float(c) for c in v] for k, v in shifts.items()}
    for path, text in zip(paths, (f'{table(shifts)}\n', json.dumps(units)), strict=False):
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding='utf-8')
    save_figure(paths[2], draw(shifts))
    return paths


def save_patches(analysis: Any, photos: Any, args: argparse.Namespace, folder: Path) -> list[Path]:
    """A sheet of each layer that has units to show."""
    from labelenc_mm.analysis.pictures import save_image
    from labelenc_mm.analysis.top_patches import draw_sheet

    paths = []
    for layer in analysis.layers if analysis.tops else ():
        units = args.units or analysis.choose_units(layer, args.num_units)
        number = analysis.number_of_units(layer)
        if not all(0 <= unit < number for unit in units):
            raise ValueError(
                f'--units {" ".join(map(str, units))}: {layer} has {number} units, 0 to {number - 1}'
            )
        blocks = [analysis.patches_of(layer, unit, photos, args.window) for unit in units]
        if not blocks:
            print(f'{layer}: no unit responds to any of the photos')
            continue
        shifts = analysis.shifts[layer].result() if analysis.shifts else None
        headings = [
            f'{layer}, unit {unit}'
            + ('' if shifts is None else f', correlation {shifts[unit]:.2f}')
            for unit in units
        ]
        paths.append(folder / f'top_patches_{layer}.png')
        save_image(paths[-1], draw_sheet(blocks, headings))
    return paths


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        paths = analyze(args)
    print('\n'.join(map(str, paths)))


if __name__ == '__main__':
    main()
