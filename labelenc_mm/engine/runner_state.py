"""State of a Runner, as hooks of both toolboxes ask for it."""

from typing import Any

from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from labelenc_mm.engine.built_models import loads_a_checkpoint
from labelenc_mm.engine.data.label_names import class_names, common_label_names

_SHARDING = ('MMFullyShardedDataParallel', 'MMDeepSpeedEngineWrapper')


def splits_weights(runner: Runner) -> bool:
    """Whether each process has a part of the weights alone."""
    return type(runner.model).__name__ in _SHARDING


def unwrapped_model(runner: Runner) -> Any:
    """The model itself, without the wrapper of a distributed run.

    Raises:
        ValueError: The wrapper splits the weights over the processes.
    """
    if splits_weights(runner):
        raise ValueError(
            f'{type(runner.model).__name__} splits the weights over the processes, while the files of '
            'labelenc_mm are written from those of one. Train with MMDistributedDataParallel'
        )
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def averaged_state_dict(runner: Runner) -> dict[str, Tensor]:
    """The weights that a checkpoint of this run would hold: averaged ones under EMA."""
    checkpoint: dict[str, Any] = {'state_dict': unwrapped_model(runner).state_dict()}
    for hook in _averaging_hooks(runner):
        hook.before_save_checkpoint(runner, checkpoint)
    return checkpoint['state_dict']


def averaged_models(runner: Runner) -> list[Any]:
    """The models that hold averaged weights, one for each EMAHook."""
    return [hook.ema_model.module for hook in _averaging_hooks(runner)]


def _averaging_hooks(runner: Runner) -> list[EMAHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EMAHook)]


def leave_log(runner: Runner, prefixes: tuple[str, ...]) -> None:
    """Take values whose time is over out of the log, which would repeat their last ones until the end.

    Args:
        runner: The runner.
        prefixes: What their names in the MessageHub begin with, as ``'train/loss_'``.
    """
    hub = runner.message_hub
    for name in [name for name in hub.log_scalars if name.startswith(prefixes)]:
        del hub.log_scalars[name]
        hub._resumed_keys.pop(name, None)  # else every resume warns of it


def train_metainfo(runner: Runner) -> dict[str, Any]:
    """Meta information of the training data: classes, palette and more."""
    return common_metainfo(getattr(runner.train_dataloader.dataset, 'metainfo', None))


def run_label_names(runner: Runner) -> list[str] | None:
    """What the labels of a training are called, which its training and validation data agree on.

    Raises:
        ValueError: They do not, or a label is not what ``metainfo.classes`` calls it.
    """
    val = getattr(
        getattr(runner, '_val_loop', None), 'dataloader', None
    )  # None or a config without
    loaders = {'train_dataloader': runner.train_dataloader, 'val_dataloader': val}
    return common_label_names(
        {place: getattr(loader, 'dataset', None) for place, loader in loaders.items()}
    )


def common_metainfo(metainfo: Any) -> dict[str, Any]:
    """One meta information for all parts of a data set.

    Args:
        metainfo: Of a data set, or of a checkpoint. It is a list where the parts of a ConcatDataset of
            MMDetection do not agree; the first is returned then.

    Raises:
        ValueError: The parts have different classes, or a text in their place.
    """
    if not isinstance(metainfo, list | tuple):
        metainfo = [metainfo or {}]
    classes = [class_names(part.get('classes')) for part in metainfo]
    for other in classes[1:]:
        if tuple(other or ()) != tuple(classes[0] or ()):
            raise ValueError(
                f'parts of the training data have different classes, so that a label means another in '
                f'each: {classes[0]} and {other}. Give all of them the same metainfo.classes'
            )
    return dict(metainfo[0]) if metainfo else {}


def has_loaded_from(runner: Runner) -> bool:
    """Whether a checkpoint has replaced weights that parts of the model were initialised with.

    It is that of ``load_from``, or of the model's own ``init_cfg``, which comes after those of its
    parts. A resume does not count: its checkpoint is of the same training.
    """
    init_cfgs = getattr(unwrapped_model(runner), 'init_cfg', None) or []
    init_cfgs = init_cfgs if isinstance(init_cfgs, list | tuple) else [init_cfgs]
    is_pretrained = any(map(loads_a_checkpoint, init_cfgs))
    is_resumed = runner._resume and runner.iter > 0  # not where there is nothing to resume yet
    return (runner._load_from is not None or is_pretrained) and not is_resumed
