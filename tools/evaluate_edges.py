"""Score edge maps against all annotators of BSDS500: ODS, OIS and AP, and what people reach themselves.

A folder of edge maps holds ID.png for every image of the split, 8-bit gray at the size of the image, 255 for
a sure edge; `tools/test.py CONFIG CHECKPOINT --out FOLDER` writes such maps. They go through non-maximum
suppression and thinning here. With --people each annotator is compared with the others. Needs
`pip install 'labelenc-mm[edges]'`.
"""

import argparse
from pathlib import Path

# This also makes our data sets known.
import labelenc_mm.toolbox
from labelenc_mm.command_line.config import without_traceback


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folders', nargs='*', type=Path, help='folders of edge maps')
    parser.add_argument(
        '--data', default='data/bsds500', help='folder of the data (default: data/bsds500)'
    )
    parser.add_argument('--split', default='test', help='list of images (default: test)')
    parser.add_argument('--people', action='store_true', help='also score the annotators')
    parser.add_argument(
        '--thresholds', type=int, default=99, help='how many; published figures have 99 (default)'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=0.0075,
        help='how far a pair may be apart, in image diagonals (default: 0.0075)',
    )
    parser.add_argument('--processes', type=int, default=2, help='(default: 2)')
    parser.add_argument(
        '--counts',
        type=Path,
        help='folder that keeps the counts of each image, by which a repeated command goes on',
    )
    parser.add_argument('--plot', type=Path, help='file of the precision-recall plot')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print the scores, and draw."""
    args = parse_args(argv)
    if not args.folders and not args.people:
        raise SystemExit('error: give folders of edge maps, --people, or both')
    with without_traceback():
        labelenc_mm.toolbox.require('mmcv', 'mmseg')
        evaluate(args)


def evaluate(args: argparse.Namespace) -> None:
    """Score what the command line names."""
    from labelenc_mm.analysis.edge_scores import (
        annotated_images,
        count_folder,
        count_people,
        draw_curves,
    )
    from labelenc_mm.analysis.pictures import save_figure
    from labelenc_mm.evaluation.edges.counts import thresholds
    from labelenc_mm.evaluation.edges.kept_counts import Counter
    from labelenc_mm.evaluation.edges.scores import add_up, score

    names = [folder.resolve().name for folder in args.folders]
    if len({*names}) < len(names):
        raise ValueError(
            f'folders of edge maps need names that differ, for the plot and --counts; these are {names}'
        )
    images = annotated_images(args.data, args.split)
    curves, people = {}, None
    if args.people:
        people = add_up(count_people(images, args.tolerance))
        human = score([people], [0.5])
        print(f'people: P {human.ods_precision:.4f}, R {human.ods_recall:.4f}, F {human.ods:.4f}')
    for folder, name in zip(args.folders, names, strict=True):
        values = thresholds(args.thresholds)
        kept = args.counts and args.counts / name
        counts = count_folder(folder, images, Counter(values, args.tolerance, args.processes, kept))
        found = score(counts, values)
        curves[name] = add_up(counts)
        print(
            f'{folder}: ODS {found.ods:.4f} (P {found.ods_precision:.4f}, R {found.ods_recall:.4f}, at '
            f'{found.ods_threshold:.2f}), OIS {found.ois:.4f}, AP {found.ap:.4f}'
        )
    if args.plot:
        save_figure(args.plot, draw_curves(curves, people))
        print(f'{args.plot}: done')


if __name__ == '__main__':
    main()
