"""Train a detector or a segmentor from a config of MMDetection, MMSegmentation or this package."""

import argparse

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from labelenc_mm.command_line.config import add_common_arguments, build_runner, load_config
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.command_line.resume import find_resumable, resume_from

# This also makes our models and configs known, before a config is parsed.
from labelenc_mm.engine.built_models import entry_of
from labelenc_mm.engine.data.empty_data import tells_empty_data
from labelenc_mm.files import is_remote, local_path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='path of the config')
    parser.add_argument('--amp', action='store_true', help='train in automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the total batch size over auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from this checkpoint; without a value from the newest one in the work dir, '
        'and from the beginning if there is none',
    )
    add_common_arguments(parser)
    return parser.parse_args()


def enable_amp(cfg: Config) -> None:
    """Put the mixed-precision optimizer wrapper into the config."""
    if get_device() == 'cpu':
        raise RuntimeError('--amp needs a GPU, and none was found. Train without it on CPU.')
    kind = entry_of({'type': OptimWrapper, **cfg.optim_wrapper}, OPTIM_WRAPPERS)
    if kind is AmpOptimWrapper:
        return
    if kind is not OptimWrapper:
        raise ValueError(
            '--amp replaces optim_wrapper.type OptimWrapper, but the config has '
            f'{cfg.optim_wrapper.type}. '
            'Choose its mixed precision in the config.'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.loss_scale = 'dynamic'


def enable_auto_scale_lr(cfg: Config) -> None:
    """Switch the scaling of the learning rate on."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise ValueError(
            '--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the config: '
            'the total batch size that its learning rate is meant for.'
        )
    cfg.auto_scale_lr.enable = True


def checkpoint_to_resume(wanted: str | None, work_dir: str) -> str | None:
    """The checkpoint that --resume asks for, with ``'auto'`` the newest; None to start afresh."""
    if wanted == 'auto':
        return find_resumable(work_dir)
    if wanted is not None and not is_remote(wanted) and not local_path(wanted).exists():
        raise FileNotFoundError(f'--resume {wanted}: there is no such file.')
    return wanted and follow_record(wanted)


def main() -> None:
    """Train."""
    args = parse_args()
    cfg = load_config(args)
    if cfg.get('default_scope') == 'mmdet':
        from mmdet.utils import setup_cache_size_limit_of_dynamo

        setup_cache_size_limit_of_dynamo()  # by an environment variable, as MMDetection's own tools do
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        enable_auto_scale_lr(cfg)
    checkpoint = checkpoint_to_resume(args.resume, cfg.work_dir)
    runner = build_runner(cfg)
    if checkpoint is not None:
        resume_from(runner, checkpoint)
    with tells_empty_data(cfg):
        runner.train()


if __name__ == '__main__':
    main()
