"""Files that a training leaves when it ends: which weights are in them, and how to write them again."""

import os.path as osp
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import print_log
from mmengine.runner import Runner

from labelenc_mm.engine.runner_state import averaged_state_dict, train_metainfo, unwrapped_model
from labelenc_mm.handover.export import Exporter, ExportError


def export_after_training(runner: Runner, exporter: Exporter, path: str) -> None:
    """Export what a Runner has trained, at the end of its training, on its main process.

    Args:
        runner: The Runner.
        exporter: Of its toolbox.
        path: File to write.

    Raises:
        ExportError: The export failed, for whatever reason; says how to repeat it.
    """
    device = next(unwrapped_model(runner).parameters()).device
    rng = torch.random.fork_rng(devices=[device] if device.type == 'cuda' else [])
    with writes_last_weights(runner, path, f'stock {exporter.noun}'), rng:
        exporter(runner.cfg, averaged_state_dict(runner), path, train_metainfo(runner), device)


@contextmanager
def writes_last_weights(runner: Runner, path: str, noun: str) -> Iterator[None]:
    """Log what the block has written from the weights at the end of a training.

    Where the training also looks for the best weights, the log says that these are not in the file, and
    how to get them.

    Args:
        runner: The Runner.
        path: File that the block writes.
        noun: What it is, for the log.

    Raises:
        ExportError: The block failed, for whatever reason; says how to repeat it.
    """
    try:
        yield
    except Exception as error:
        checkpoint = runner.message_hub.get_info('last_ckpt') or 'CHECKPOINT'
        raise ExportError(
            f'{error}\nThe training is complete and its checkpoints are written; only the export of '
            f'the {noun} failed. To repeat it:\n  {_command(runner, checkpoint, path)}'
        ) from error
    print_log(f'Exported {noun}: {path}', 'current')
    best = _best_checkpoints(runner)
    if best is not None:
        root, ending = osp.splitext(path)
        commands = [_command(runner, checkpoint, f'{root}_best{ending}') for checkpoint in best]
        print_log(
            'It has the weights of the last iteration, not the best ones, which save_best or '
            'EarlyStoppingHook look for. '
            + (
                'For these:\n  ' + '\n  '.join(commands)
                if commands
                else 'No best checkpoint was kept: set default_hooks.checkpoint.save_best, or export one '
                f'that was:\n  {_command(runner, "CHECKPOINT", f"{root}_best{ending}")}'
            ),
            'current',
        )


def _best_checkpoints(runner: Runner) -> list[str] | None:
    """The best checkpoints of a training, None if it does not look for any."""
    looks, best = False, []
    for hook in runner.hooks:
        if isinstance(hook, EarlyStoppingHook):
            looks = True
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            looks = True
            paths = getattr(hook, 'best_ckpt_path_dict', {}).values()
            best += [path for path in (getattr(hook, 'best_ckpt_path', None), *paths) if path]
    return best if looks else None


def _command(runner: Runner, checkpoint: str, out: str) -> str:
    config = osp.join(runner.work_dir, osp.basename(runner.cfg.filename or 'CONFIG'))
    return shlex.join(['python', 'tools/export.py', config, checkpoint, out])
