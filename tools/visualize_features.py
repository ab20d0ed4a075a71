"""Save a picture of features: of a baseline, of a label-encoded detector and of the label encoder.

The paper's Figure 3 (LabelEnc, appendix C). A row for every validation image: the image, features of the
baseline (if one is given), of the detector and of the encoder (or teacher) that it was trained towards.
Shown is one level of the pyramid, the L2 norm over channels, without the padding. Panels of a row share
a colour scale; --scale panel gives each its own, for nothing ties the size of features to the encoder's.

The baseline sees the images of CONFIG's validation pipeline, normalised in its own way.
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
    parser.add_argument('config', help='config of a label-encoded training, step 1 or 2')
    parser.add_argument(
        'checkpoint', help='its checkpoint, e.g. epoch_12.pth; no exported detector'
    )
    parser.add_argument(
        '--baseline',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='the same detector, trained plainly',
    )
    parser.add_argument(
        '--output-dir', help='where features.png goes (default: work_dirs/<name of the config>)'
    )
    parser.add_argument(
        '--per-image', action='store_true', help='a picture per image, instead of one of all'
    )
    parser.add_argument('--num', type=int, default=4, help='images, spread evenly (default: 4)')
    parser.add_argument(
        '--level', type=int, default=2, help='level of the pyramid, the finest is 1 (default: 2)'
    )
    parser.add_argument(
        '--scale', choices=['row', 'panel'], default='row', help='colour scales (default: row)'
    )
    parser.add_argument('--device', default='cpu', help='where features are computed')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override entries of CONFIG: key=value'
    )
    return parser.parse_args(argv)


def visualize(args: argparse.Namespace) -> list[Path]:
    """Save the pictures and return their paths."""
    labelenc_mm.toolbox.require('mmcv', 'mmdet')
    from labelenc_mm.analysis.feature_pictures import draw_rows, load_detector, make_rows
    from labelenc_mm.analysis.pictures import save_figure

    if args.num < 1:
        raise ValueError(f'--num must be at least 1, got {args.num}')
    reason = "features are shown of MMDetection's"
    config = read_config(args.config, args.cfg_options, 'mmdet', reason)
    if not config.get('model', {}).get('labelenc'):
        raise ValueError(
            f'{args.config} is no config of a label-encoded detector (model.labelenc).'
        )
    init_default_scope('mmdet')
    detector = load_detector(config, args.checkpoint, args.device)
    baseline = None
    if args.baseline:
        path, checkpoint = args.baseline
        baseline = load_detector(read_config(path, None, 'mmdet', reason), checkpoint, args.device)
    rows = make_rows(config, detector, baseline, args.num, args.level)
    folder = Path(args.output_dir or Path('work_dirs') / Path(args.config).stem)
    pictures = {folder / 'features.png': list(rows.values())}
    if args.per_image:
        pictures = {
            folder / f'features_{index:06d}_{row.name}.png': [row] for index, row in rows.items()
        }
    for path, content in pictures.items():
        save_figure(path, draw_rows(content, args.scale))
    return list(pictures)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        paths = visualize(args)
    print('\n'.join(map(str, paths)))


if __name__ == '__main__':
    main()
