"""Configs on the command line: reading one, telling faults; for training and testing also the runner."""

import argparse
import difflib
import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import HOOKS, RUNNERS
from mmengine.runner import Runner

from labelenc_mm import toolbox
from labelenc_mm.command_line.companions import add_companions, has_hook
from labelenc_mm.engine.distributed import init_distributed
from labelenc_mm.engine.sample_error_hook import SampleError, SampleErrorHook
from labelenc_mm.files import local_path
from labelenc_mm.handover.checkpoint_fit import CheckpointFitHook
from labelenc_mm.toolbox.safe_loading import CheckpointError

# Read from the config by mmengine's Runner, beside the arguments of its constructor.
_RUNNER_KEYS = (
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing share, as both toolboxes name them."""
    parser.add_argument('--work-dir', help='where logs, checkpoints and metrics go')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override entries of the config: key=value, lists as key="[a,b]" or key=a,b, nested '
        'ones as key="[(a,b),(c,d)]", without white space',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes were started; tools/dist_*.sh and slurm_*.sh pass it',
    )
    # torch.distributed.launch passes one or the other spelling, depending on the torch version.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def read_config(
    path: str, options: Mapping[str, Any] | None = None, scope: str | None = None, reason: str = ''
) -> Config:
    """Read a config and override entries of it.

    Args:
        path: Of the config.
        options: What ``--cfg-options`` gave.
        scope: Whose config it has to be, ``'mmdet'`` or ``'mmseg'``. By default any.
        reason: Why, for the message.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: It is of another scope, or ``options`` set a top-level entry that nothing would read.
    """
    path = str(local_path(path))
    if not Path(path).is_file():
        raise FileNotFoundError(f'Config {path!r} does not exist (seen from {os.getcwd()}).')
    cfg = Config.fromfile(path)
    if options:
        check_top_level(cfg, options)
        cfg.merge_from_dict(dict(options))
    found = cfg.get('default_scope') or scope
    if scope is not None and found != scope:
        raise ValueError(f'{path} has default_scope {found!r}; {reason}.')
    return cfg


@contextmanager
def without_traceback() -> Iterator[None]:
    """End the process with a line alone where the block raises what a user can mend."""
    try:
        yield
    except (CheckpointError, ImportError, OSError, SampleError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the common arguments.

    Args:
        args (argparse.Namespace): With ``config`` and what :func:`add_common_arguments` adds.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: ``--cfg-options`` sets a top-level entry that nothing would read.
        ImportError: The toolbox that the config is written for is missing or faulty.
    """
    # Open MPI, of which mmengine takes the device, tells its own number.
    local_rank = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', str(args.local_rank))
    os.environ.setdefault('LOCAL_RANK', local_rank)
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    # Command line, then config, then a folder named after the config.
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    scope = cfg.get('default_scope')
    if scope in ('mmdet', 'mmseg'):
        toolbox.require('mmcv', scope)
    return cfg


def check_top_level(cfg: Config, options: Mapping[str, Any]) -> None:
    """Refuse misspelt top-level entries; deeper ones reach a constructor, which complains."""
    known = {*cfg, *inspect.signature(Runner.__init__).parameters, *_RUNNER_KEYS} - {'self', 'cfg'}
    for option in options:
        key = option.split('.')[0]
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f' Did you mean {close[0]!r}?' if close else ''
            raise ValueError(
                f'--cfg-options {option}=...: {key!r} is neither in the config nor an argument of '
                f'the Runner, so nothing would read it.{hint}'
            )


def build_runner(cfg: Config) -> Runner:
    """Start the processes' communication and build the Runner.

    Args:
        cfg (Config): Complete config. Gets :class:`SampleErrorHook` and what its model declares,
            see :func:`.add_companions`.

    Returns:
        Runner: With a :class:`CheckpointFitHook`, of which the config says nothing.
    """
    init_distributed(cfg.launcher, cfg.get('env_cfg', {}).get('dist_cfg'))
    add_companions(cfg)
    if not has_hook(cfg, SampleErrorHook, HOOKS):
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), {'type': 'SampleErrorHook'}]
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.register_hook(CheckpointFitHook())
    return runner
