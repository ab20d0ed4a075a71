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
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from tqdm import tqdm

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


def ignore_index_of(config: Config) -> int:
    """The label of void pixels that the model of a config leaves out."""
    from labelenc_mm.labels import VOID

    model = config.model
    if 'decode_head' in model:
        heads = model.decode_head
        model = heads[-1] if isinstance(heads, list | tuple) else heads  # of a cascade the last
    index = model.get('ignore_index')
    return VOID if index is None else index


def build_coders(args: argparse.Namespace, config: Config, metainfos: list[Any]) -> dict[str, Any]:
    """What gives codes, by 'labels' or 'images', as far as it is asked for; all know these classes."""
    from mmseg.registry import MODELS

    from labelenc_mm.analysis.region_codes import EncodedLabelMaps, PredictedCodes
    from labelenc_mm.command_line.load_trained import load_trained
    from labelenc_mm.engine.runner_state import common_metainfo
    from labelenc_mm.segmentation.label_structure.label_code import (
        check_decoder,
        check_labels,
        load_label_encoder,
    )

    wanted = {args.queries, args.gallery}
    coders: dict[str, Any] = {}
    if 'labels' in wanted:
        if not args.autoencoder:
            raise ValueError(
                'codes of label maps need --autoencoder label_autoencoder.safetensors; without one, '
                '--queries images --gallery images'
            )
        encoder, metadata = load_label_encoder(args.autoencoder, ignore_index_of(config))
        for metainfo in metainfos:
            check_labels(args.autoencoder, metadata, metainfo)
        coders['labels'] = EncodedLabelMaps(encoder.to(args.device))
    if 'images' in wanted:
        if not args.checkpoint:
            raise ValueError(
                'codes of images need --checkpoint of a segmentor with a decoder branch; without one, '
                '--queries labels --gallery labels'
            )
        hint = 'an exported segmentor has no decoder branch'
        segmentor, meta = load_trained(config, args.checkpoint, MODELS, 'mmseg', args.device, hint)
        remedy = 'Give the config that the segmentor was trained with'
        for metainfo in metainfos:
            check_labels(
                args.checkpoint,
                common_metainfo(meta.get('dataset_meta')),
                metainfo,
                'checkpoint',
                remedy,
            )
        coders['images'] = PredictedCodes(segmentor)
    if len(coders) > 1:
        head = coders['images'].head
        if not head.freeze:
            raise ValueError(
                f'the decoder of {args.checkpoint} was trained further (freeze=False), so that its '
                'codes are no longer those of an autoencoder: compare images with images alone'
            )
        check_decoder(args.autoencoder, head.decoder)
    return coders


def search(args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Draw queries and search the validation set: the result, and the data sets."""
    from labelenc_mm.analysis.region_codes import build_split
    from labelenc_mm.analysis.region_retrieval import NearestRegions, draw_queries, retrieve

    check_numbers(args)
    reason = "label maps are MMSegmentation's"
    config = read_config(args.config, args.cfg_options, 'mmseg', reason)
    init_default_scope('mmseg')
    data = {
        'queries': build_split(config, 'train', with_images=args.queries == 'images'),
        'gallery': build_split(config, 'val', with_images=args.gallery == 'images'),
    }
    coders = build_coders(args, config, [dataset.metainfo for dataset in data.values()])
    coder = coders[args.gallery]
    names = list(data['queries'].metainfo.get('classes') or [])
    unknown = [name for name in args.classes or [] if name not in names]
    if unknown:
        raise ValueError(f'--classes {" ".join(unknown)}: the classes are {", ".join(names)}')
    classes = [names.index(name) for name in args.classes] if args.classes else None
    pool = min(args.pool, len(data['queries']))
    with tqdm(desc='queries', total=pool, unit='image', disable=None) as bar:
        queries, images = draw_queries(
            data['queries'], coders[args.queries], pool, args.seed, classes, bar.update
        )
    nearest = NearestRegions(queries.codes, args.neighbours, args.metric, args.one_per_image)
    print(
        f'{len(images)} queries; {nearest.peak_bytes(queries) / 2**20:.0f} MiB for the search, '
        'whatever the size of the gallery'
    )
    numbers = tqdm(range(len(data['gallery'])), desc='gallery', unit='image', disable=None)
    gallery = (
        (data['gallery'].get_data_info(i)['img_path'], coder(data['gallery'][i])) for i in numbers
    )
    paths = [data['queries'].get_data_info(i)['img_path'] for i in images]
    return retrieve((queries, images), paths, gallery, nearest, args.seed), data


def run(args: argparse.Namespace) -> list[Path]:
    """Search, save json and picture, and return their paths."""
    labelenc_mm.toolbox.require('mmcv', 'mmseg')
    from labelenc_mm.analysis.region_report import describe, draw, write_json, write_picture

    found, data = search(args)
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
        write_picture(paths[1], draw(found, data['queries'], data['gallery'], shown))
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
