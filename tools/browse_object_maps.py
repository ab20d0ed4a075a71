"""Save pictures of the object maps that the label encoder sees (LabelEnc, sec. 3.4).

Each picture shows an image with its boxes as the pipeline of the config leaves them, and one panel
per present class with the map that is drawn from them: from masks for a detector that predicts masks,
otherwise from boxes, as in training.
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction
from mmengine.registry import init_default_scope

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed
from labelenc_mm.command_line.config import read_config, without_traceback


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a detector; it need not be label-encoded')
    parser.add_argument(
        '--output-dir',
        help='where pictures go (default: work_dirs/<name of the config>/object_maps)',
    )
    parser.add_argument('--num', type=int, default=8, help='number of images (default: 8)')
    parser.add_argument(
        '--split', choices=['train', 'val'], default='train', help='data set (default: train)'
    )
    parser.add_argument(
        '--augment',
        action='store_true',
        help='with the value augmentation of step 1: every object is scaled by its own factor',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of all augmentation (default: 0)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override entries of the config: key=value; model.labelenc.label_source=box draws '
        'boxes also for a detector that predicts masks',
    )
    return parser.parse_args(argv)


def browse(args: argparse.Namespace) -> Path:
    """Save the pictures; returns their folder."""
    if args.num < 1:
        raise ValueError(f'--num must be at least 1, got {args.num}')
    reason = "object maps are drawn from the boxes of MMDetection's data sets"
    config = read_config(args.config, args.cfg_options, 'mmdet', reason)
    labelenc_mm.toolbox.require('mmcv', 'mmdet')
    from labelenc_mm.analysis.object_map_pictures import draw_picture, make_pictures
    from labelenc_mm.analysis.pictures import save_figure

    init_default_scope('mmdet')
    names, pictures = make_pictures(config, args.split, args.num, args.seed, args.augment)
    folder = Path(args.output_dir or Path('work_dirs') / Path(args.config).stem / 'object_maps')
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in pictures:
        written.append(folder / f'{picture.index:06d}_{Path(picture.path).stem}.png')
        save_figure(written[-1], draw_picture(picture, names))
    print(f'{len(written)} pictures in {folder}')
    return folder


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        browse(args)


if __name__ == '__main__':
    main()
