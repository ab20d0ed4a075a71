"""Save pictures of the ground truth beside the predictions of several checkpoints."""

import argparse
import textwrap
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed
from labelenc_mm.command_line.config import read_config, without_traceback


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the detector or segmentor')
    parser.add_argument(
        'checkpoints', nargs='+', help='files or URLs of checkpoints, or last_checkpoint files'
    )
    parser.add_argument('--titles', nargs='+', help='one per checkpoint (default: their names)')
    parser.add_argument(
        '--out-dir',
        type=Path,
        help='where the pictures go (default: work_dirs/<name of the config>/predictions)',
    )
    parser.add_argument('--num', type=int, default=8, help='validation images (default: 8)')
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='lowest score of a detection (default: 0.3)'
    )
    parser.add_argument('--scale', type=float, default=2.0, help='enlargement (default: 2)')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(argv)
    if args.num < 1:
        parser.error(f'--num {args.num}: at least one image')
    args.out_dir = args.out_dir or Path('work_dirs') / Path(args.config).stem / 'predictions'
    args.titles = args.titles or [Path(name).stem for name in args.checkpoints]
    if len(args.titles) != len(args.checkpoints):
        parser.error(f'{len(args.checkpoints)} checkpoints, but {len(args.titles)} titles')
    return args


def build_drawer(config: Config, toolbox: str, args: argparse.Namespace) -> Any:
    """What draws the predictions of the checkpoints of a toolbox's model."""
    if toolbox == 'mmseg':
        from labelenc_mm.analysis.drawn_label_maps import DrawnLabelMaps

        return DrawnLabelMaps(config, args.checkpoints, args.scale, args.device)
    from labelenc_mm.analysis.drawn_detections import DrawnDetections

    return DrawnDetections(config, args.checkpoints, args.scale, args.score_thr, args.device)


def run(args: argparse.Namespace) -> None:
    """Draw the first images of the validation set."""
    config = read_config(args.config, args.cfg_options)
    toolbox = 'mmseg' if labelenc_mm.toolbox.toolbox_of(config) == 'mmseg' else 'mmdet'
    labelenc_mm.toolbox.require('mmcv', toolbox)
    from labelenc_mm.analysis.comparison import compare
    from labelenc_mm.analysis.pictures import save_image

    init_default_scope(toolbox)
    drawer = build_drawer(config, toolbox, args)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in compare(drawer, args.titles, args.num):
        written.append(args.out_dir / name)
        save_image(written[-1], picture)
    print(f'{args.out_dir}: {len(written)} pictures, from left to right ', end='')
    print(textwrap.shorten(', '.join(['ground truth', *args.titles]), 200))


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        run(args)


if __name__ == '__main__':
    main()
