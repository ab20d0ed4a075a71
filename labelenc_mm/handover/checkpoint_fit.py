"""Fit of a checkpoint to the training that resumes from it or starts from it.

mmengine loads the tensors that fit and logs the others; what they were for stays random, and the
optimizer may die of states of other shapes. It shows a checkpoint to its hooks before it loads anything.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop
from torch import Tensor, nn

from labelenc_mm.engine.data.label_names import compare_labels, first_of
from labelenc_mm.engine.runner_state import (
    common_metainfo,
    splits_weights,
    train_metainfo,
    unwrapped_model,
)
from labelenc_mm.handover.artefact import compare_tensors
from labelenc_mm.toolbox.safe_loading import CheckpointError

_STATE = ('message_hub', 'meta.epoch', 'meta.iter')


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Refuse to resume from a checkpoint of another model or other classes.

    ``tools/train.py`` adds it by itself; LabelEncHook and LabelStructureHook look by themselves.
    """

    # Before EMAHook, which loads the averaged weights and may swap them with the others.
    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Look before mmengine loads the weights and the optimizer's state."""
        check_checkpoint(runner, checkpoint)


def check_checkpoint(runner: Any, checkpoint: Mapping[str, Any], ours: Sequence[str] = ()) -> None:
    """Refuse a checkpoint that mmengine would load in part, or that is of other classes.

    A resume goes on with the same training: all tensors have to match. Whoever starts from a checkpoint
    (``load_from``) may take what fits of a stock model, but of our parts all or nothing.

    Args:
        runner: An mmengine Runner or FlexibleRunner. Looked at only if it trains.
        checkpoint: What it has read.
        ours: Prefixes of the parts whose tensors make sense together alone.

    Raises:
        CheckpointError: It does not fit; lists the differences.
    """
    if not isinstance(runner._train_loop, BaseLoop) or splits_weights(runner):
        return
    name = runner._load_from or 'the checkpoint to resume from'
    if runner._resume:
        _check_is_complete(runner, checkpoint, name)
    expected = _tensors(unwrapped_model(runner).state_dict())
    found = _tensors(checkpoint.get('state_dict', checkpoint))
    if not runner._resume:
        ours = [prefix for prefix in ours if any(key.startswith(prefix) for key in found)]
        if not ours:
            return  # a stock model's
        expected, found = (
            {key: value for key, value in side.items() if key.startswith(tuple(ours))}
            for side in (expected, found)
        )
    differences = [
        line
        for line in compare_tensors(expected, found)
        if 'num_batches_tracked: missing' not in line  # of old checkpoints, as mmengine has it
    ]
    differences = [*_other_labels(runner, checkpoint), *differences]
    if not differences:
        return
    text = '\n  '.join(first_of(differences))
    if runner._resume:
        raise CheckpointError(
            f'{name} is of another training than the one that is to resume from it:\n  {text}\nA '
            'resume goes on with the very same model and classes: give the config that the training left '
            'in its work dir, or start another training, in a work dir of its own, with '
            f'load_from={name}'
        )
    raise CheckpointError(
        f'load_from={name} does not fit {", ".join(f"{prefix}*" for prefix in ours)} of this model:\n  '
        f'{text}\nWhat does not fit would start from random weights. Give the same classes and options as '
        'in its training, or, to start from the detector or segmentor alone, the file that its training '
        'exported'
    )


def lacks_tensors(module: nn.Module, state_dict: Mapping[str, Any], prefix: str) -> bool:
    """Whether a state dict holds only a part of a module, however it came to be loaded.

    Args:
        module: The module.
        state_dict: What it is being loaded from.
        prefix: Of the module's tensors in it.
    """
    expected = {f'{prefix}{key}': value for key, value in _tensors(module.state_dict()).items()}
    found = {key: value for key, value in _tensors(state_dict).items() if key in expected}
    return bool(compare_tensors(expected, found))


def _check_is_complete(runner: Any, checkpoint: Mapping[str, Any], name: str) -> None:
    """Refuse a file that holds weights but no state of a training."""
    meta = checkpoint.get('meta') or {}
    present = {*checkpoint, *(f'meta.{key}' for key in meta)}
    needed = ['state_dict', *_STATE]
    if hasattr(runner, 'strategy'):  # of a FlexibleRunner, which does not go on without
        needed += ['optimizer']
    missing = [key for key in needed if key not in present]
    if missing:
        raise CheckpointError(
            f'{name} is no checkpoint that a training can resume from: it has no {", ".join(missing)}. '
            'Exported and converted models hold weights alone. Give an epoch_*.pth or iter_*.pth of the '
            f'work dir, or start from these weights with load_from={name}'
        )


def _other_labels(runner: Any, checkpoint: Mapping[str, Any]) -> list[str]:
    """What differs between the labels of a checkpoint and those of the training data."""
    meta = checkpoint.get('meta') or {}
    saved, data = common_metainfo(meta.get('dataset_meta')), train_metainfo(runner)
    return [f'labels: {line}' for line in compare_labels(data, saved, whose='the checkpoint')]


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict, without the prefix of a model that was wrapped."""
    return {
        re.sub(r'^module\.', '', key): value
        for key, value in state.items()
        if isinstance(value, Tensor)
    }
