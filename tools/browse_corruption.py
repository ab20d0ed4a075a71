"""Save sheets of corrupted photos (DDeP, figure 4): is the noise as strong as I think?

A sheet shows a photo under each form (rows) and level (columns) of noise, as the network sees it, levels
beyond black and white clipped. With the config of a pretraining and its checkpoint, restored photos stand
below, cut to multiples of 32 pixels. For each photo the variance under the normalisation is printed, which
the paper takes to be 1, and the noise in gray levels beside the photo in its own scale.
"""

import argparse
from pathlib import Path
from typing import Any

from mmengine.config import DictAction
from mmengine.registry import init_default_scope

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed
from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.command_line.load_trained import load_trained

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
_STRIDE = 32


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', nargs='+', type=Path, help='files of photos')
    parser.add_argument(
        '--config',
        help='whose data_preprocessor normalises the photos, and whose corruption may scale the noise',
    )
    parser.add_argument(
        '--checkpoint', help='of a pretraining with this config, which restores them'
    )
    parser.add_argument(
        '--mean', nargs=3, type=float, help="without a config (default: ImageNet's)"
    )
    parser.add_argument('--std', nargs=3, type=float, help="without a config (default: ImageNet's)")
    levels = parser.add_mutually_exclusive_group()
    levels.add_argument(
        '--gammas',
        nargs='+',
        type=float,
        default=[0.99, 0.95, 0.9, 0.7, 0.5],
        help='levels as shares of the image (default: 0.99 0.95 0.9 0.7 0.5)',
    )
    levels.add_argument('--sigmas', nargs='+', type=float, help='levels as deviations of the noise')
    parser.add_argument(
        '--forms', nargs='+', choices=['scaled', 'simple'], default=['scaled', 'simple']
    )
    parser.add_argument('--side', type=int, help='shorter side to resize to (default: as they are)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the noise (default: 0)')
    parser.add_argument(
        '--output-dir',
        type=Path,
        default=Path('work_dirs/corruption'),
        help='where sheets go (default: work_dirs/corruption)',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override entries of the config'
    )
    args = parser.parse_args(argv)
    if args.config and (args.mean or args.std):
        parser.error('--mean and --std are for use without --config, which has its own')
    if args.checkpoint and not args.config:
        parser.error('--checkpoint needs the --config that it was trained with')
    if args.side is not None and args.side < _STRIDE:
        parser.error(f'--side {args.side}: at least {_STRIDE} pixels')
    for sigma in args.sigmas or []:
        if not 0 < sigma < float('inf'):
            parser.error(f'--sigmas {sigma}: above 0')
    args.gammas = [1 / (1 + sigma**2) for sigma in args.sigmas] if args.sigmas else args.gammas
    return args


def build(args: argparse.Namespace) -> tuple[Any, Any, Any]:
    """The preprocessor, the model if a checkpoint is given, and the corruption if the config has one.

    Raises:
        ValueError: The config has no preprocessor, or no pretrainer behind the checkpoint.
    """
    from mmseg.registry import MODELS

    normal = dict(
        type='SegDataPreProcessor', mean=args.mean or MEAN, std=args.std or STD, bgr_to_rgb=True
    )
    if not args.config:
        return MODELS.build(normal), None, None
    reason = "photos are normalised by MMSegmentation's preprocessor"
    config = read_config(args.config, args.cfg_options, 'mmseg', reason)
    model = config.get('model') or {}
    preprocessor = model.get('data_preprocessor') or config.get('data_preprocessor')
    if preprocessor is None:
        raise ValueError(f'{args.config}: found no model.data_preprocessor; give --mean and --std')
    if not args.checkpoint:
        corruption = model.get('corruption')
        if corruption is not None:
            corruption = MODELS.build({'type': 'GaussianCorruption', **corruption})
        return MODELS.build(preprocessor), None, corruption
    if model.get('type') != 'DenoisingDecoderPretrainer':
        raise ValueError(
            f'{args.config}: model.type is {model.get("type")!r}, which restores nothing; expected '
            "'DenoisingDecoderPretrainer'"
        )
    hint = 'Are config and checkpoint of the same pretraining?'
    built, _ = load_trained(config, str(args.checkpoint), MODELS, 'mmseg', 'cpu', hint)
    return built.data_preprocessor, built.eval(), built.corruption


def browse(args: argparse.Namespace) -> None:
    """Save the sheets."""
    labelenc_mm.toolbox.require('mmcv', 'mmseg')
    import mmcv

    from labelenc_mm.analysis.corruption_sheet import draw_sheet, make_sheet
    from labelenc_mm.analysis.pictures import save_figure
    from labelenc_mm.pretraining import LoadPhoto

    init_default_scope('mmseg')
    preprocessor, model, corruption = build(args)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(args.photos):
        photo = LoadPhoto(min_side=_STRIDE).transform({'img_path': str(path)})['img']
        if args.side:
            photo = mmcv.imrescale(photo, args.side / min(photo.shape[:2]))
        if model is not None:  # some backbones halve the size several times and want no rest
            height, width = (side // _STRIDE * _STRIDE for side in photo.shape[:2])
            photo = photo[:height, :width]
        sheet = make_sheet(
            photo, preprocessor, args.gammas, args.forms, args.seed, model, corruption
        )
        target = args.output_dir / f'{index:06d}_{path.stem}.png'
        save_figure(target, draw_sheet(sheet))
        print(f'{target}: variance {", ".join(f"{v:.2f}" for v in sheet.variance)}')
        for panel in sheet.panels[: len(args.gammas)]:
            noise = ', '.join(f'{value:.1f}' for value in panel.noise)
            print(f'  gamma {panel.gamma:.3g}: noise of {noise} gray levels')


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        browse(args)


if __name__ == '__main__':
    main()
