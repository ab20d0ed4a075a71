"""Find the regions of the validation set that are nearest to regions of training images, in label space.

Figure 7 of "Regularizing Deep Networks by Modeling and Predicting Label Structure" (CVPR 2018). A region
is one cell of the label autoencoder's bottleneck; each query is a region of a training map, and looked
for are its nearest neighbours among all regions of the validation set. By label maps (--autoencoder)
codes come from the encoder; by images (--checkpoint) from a segmentor with a decoder branch.

Queries are drawn by seed, never chosen: the picture shows the first of them, and those whose neighbours'
labels agree least, marked as the worst of all. A json beside it has all queries.
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction
from mmengine.registry import init_default_scope

# This also makes our models and configs known, before a config is parsed, and loading safe.
import labelenc_mm.toolbox
from labelenc_mm.command_line.config import read_config, without_traceback


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the segmentor, or of the autoencoder')
    parser.add_argument('--autoencoder', help='label_autoencoder.safetensors')
    parser.add_argument(
        '--checkpoint', help='checkpoint of the segmentor of CONFIG with a decoder branch'
    )
    kinds = ['labels', 'images']
    what = 'from label maps or images (default: images with --checkpoint, else labels)'
    parser.add_argument(
        '--queries', choices=kinds, help=f'where codes of queries come from: {what}'
    )
    parser.add_argument('--gallery', choices=kinds, help='the same of the validation set')
    parser.add_argument('--pool', type=int, default=200, help='queries (default: 200)')
    parser.add_argument('--num', type=int, default=6, help='random ones to show (default: 6)')
    parser.add_argument('--worst', type=int, default=4, help='worst ones to show (default: 4)')
    parser.add_argument('--neighbours', type=int, default=2, help='of each (default: 2)')
    parser.add_argument('--classes', nargs='+', help='only queries of these (default: all)')
    parser.add_argument(
        '--metric',
        choices=['euclidean', 'cosine'],
        default='euclidean',
        help='distance; the paper does not say which it uses (default: euclidean)',
    )
    parser.add_argument(
        '--one-per-image', action='store_true', help='at most one neighbour from an image'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the queries (default: 0)')
    parser.add_argument(
        '--output-dir',
        help='where label_regions.png and .json go (default: work_dirs/<name of the config>)',
    )
    parser.add_argument('--device', default='cpu', help='where codes are computed')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override entries of CONFIG: key=value'
    )
    args = parser.parse_args(argv)
    default = 'images' if args.checkpoint else 'labels'
    args.queries, args.gallery = args.queries or default, args.gallery or default
    return args


def check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers of the command line that are too small."""
    for name, least in (('pool', 1), ('num', 0), ('worst', 0), ('neighbours', 1)):
        if getattr(args, name) < least:
            raise ValueError(f'--{name} must be at least {least}, got {getattr(args, name)}')


def run(args: argparse.Namespace) -> list[Path]:
    """Search, save json and picture, and return their paths."""
    labelenc_mm.toolbox.require('mmcv', 'mmseg')
    from labelenc_mm.analysis.pictures import save_figure
    from labelenc_mm.analysis.region_report import describe, draw, write_json
    from labelenc_mm.analysis.region_search import CodeSources, search

    check_numbers(args)
    config = read_config(args.config, args.cfg_options, 'mmseg', "label maps are MMSegmentation's")
    init_default_scope('mmseg')
    sources = CodeSources(
        args.queries, args.gallery, args.autoencoder, args.checkpoint, args.device
    )
    found, data = search(
        config,
        sources,
        args.pool,
        args.neighbours,
        args.metric,
        args.one_per_image,
        args.classes or (),
        args.seed,
    )
    shown = dict.fromkeys(range(min(args.num, len(found.queries))), 'random')
    shown |= dict.fromkeys(found.worst(args.worst, but=len(shown)), 'worst')
    content = {'options': vars(args), **describe(found, data['queries'], data['gallery'], shown)}
    summary = content['summary']
    folder = Path(args.output_dir or Path('work_dirs') / Path(args.config).stem)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / 'label_regions.json']
    write_json(paths[0], content)
    if shown:
        paths.append(folder / 'label_regions.png')
        save_figure(paths[1], draw(found, data['queries'], data['gallery'], shown), dpi=100)
    *nearest, chance = (
        'none' if value is None else f'{value:.1%}'
        for value in (*summary['label_agreement'], summary['chance'])
    )
    print(
        f'{summary["queries"]} queries, {summary["gallery_regions"]} regions in the gallery. Pixels '
        f'with the same label: nearest {", ".join(nearest)}, a region at random {chance}'
    )
    return paths


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        paths = run(args)
    print('\n'.join(map(str, paths)))


if __name__ == '__main__':
    main()
