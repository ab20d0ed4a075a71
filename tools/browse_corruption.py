"""Save pictures of photos under the noise of decoder denoising pretraining (DDeP, Figure 4).

One sheet a photo: a row for each form of the noise, levels from left to right. With --config and --checkpoint
of a pretraining there is a row below each with what that model restores. Also printed: the variance of the
photo under the normalisation, and the noise in gray levels.
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed
from labelenc_mm.command_line.config import read_config, without_traceback


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', nargs='+', help='image files')
    parser.add_argument(
        '--output-dir',
        type=Path,
        default=Path('work_dirs/corruption'),
        help='where sheets go (default: work_dirs/corruption)',
    )
    levels = parser.add_mutually_exclusive_group()
    levels.add_argument(
        '--gamma',
        nargs='+',
        type=float,
        help='shares of the image (default: 0.99 0.95 0.9 0.6 0.3)',
    )
    levels.add_argument('--sigma', nargs='+', type=float, help='the same as standard deviations')
    parser.add_argument(
        '--form', nargs='+', default=['scaled', 'simple'], choices=['scaled', 'simple']
    )
    parser.add_argument(
        '--mean',
        nargs=3,
        type=float,
        default=[123.675, 116.28, 103.53],
        help="of the normalisation, RGB (default: ImageNet's); that of --config goes before",
    )
    parser.add_argument(
        '--std', nargs=3, type=float, default=[58.395, 57.12, 57.375], help='likewise'
    )
    parser.add_argument(
        '--max-side', type=int, default=480, help='larger photos are reduced to it (default: 480)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the noise (default: 0)')
    parser.add_argument('--config', help='of a denoising pretraining')
    parser.add_argument('--checkpoint', help='of that training, e.g. last_checkpoint')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override entries of the config'
    )
    return parser.parse_args(argv)


def browse(args: argparse.Namespace) -> Path:
    """Save the sheets; returns their folder."""
    gammas = args.gamma or [0.99, 0.95, 0.9, 0.6, 0.3]
    if args.sigma:
        gammas = [1 / (1 + sigma**2) for sigma in args.sigma]
    if bool(args.config) != bool(args.checkpoint):
        raise ValueError('--config and --checkpoint are given together, or none of them')
    labelenc_mm.toolbox.require('mmcv', 'mmseg')
    import mmcv
    import torch
    from mmseg.registry import MODELS

    from labelenc_mm.analysis.corruption_pictures import (
        corrupt_photo,
        draw_sheet,
        normalised_variance,
        restore_photo,
    )
    from labelenc_mm.analysis.pictures import save_figure
    from labelenc_mm.command_line.load_trained import load_trained
    from labelenc_mm.pretraining import DenoisingDecoderPretrainer, LoadPhoto

    mean, std, model = torch.tensor(args.mean), torch.tensor(args.std), None
    if args.config:
        reason = 'photos are restored by a DenoisingDecoderPretrainer'
        config = read_config(args.config, args.cfg_options, 'mmseg', reason)
        hint = 'Are config and checkpoint of the same pretraining?'
        model, _ = load_trained(config, args.checkpoint, MODELS, 'mmseg', 'cpu', hint)
        if not isinstance(model, DenoisingDecoderPretrainer):
            raise ValueError(f'{args.config} has a {type(model).__name__}, but {reason}')
        model.eval()
        mean, std = (getattr(model.data_preprocessor, key).flatten() for key in ('mean', 'std'))
        model.seed = args.seed
    args.output_dir.mkdir(parents=True, exist_ok=True)
    for path in args.photos:
        picture = LoadPhoto()(dict(img_path=path))['img']
        if max(picture.shape[:2]) > args.max_side:
            picture = mmcv.imrescale(picture, (args.max_side, args.max_side), interpolation='area')
        photo = torch.from_numpy(picture[..., ::-1].copy()).permute(2, 0, 1).float()
        if model is None:
            found = corrupt_photo(photo, gammas, args.form, mean, std, args.seed)
        else:
            found = restore_photo(model, photo, gammas, args.form)
        sheet = args.output_dir / f'{Path(path).stem}_corruption.png'
        save_figure(sheet, draw_sheet(photo, found))
        variance = ', '.join(f'{v:.2f}' for v in normalised_variance(photo, mean, std))
        print(f'{sheet}: variance {variance} (each channel)')
        for each in found[: len(gammas)]:
            noise = ', '.join(f'{level:.1f}' for level in each.gray_levels)
            print(f'  gamma {each.gamma:.3g}, sigma {each.sigma:.3g}: noise of {noise} gray levels')
    return args.output_dir


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        browse(args)


if __name__ == '__main__':
    main()
