"""The pretrained segmentor: what label-free pretraining leaves for a fine-tuning on labels.

``pretrained_segmentor.pth`` holds backbone, neck and decode head under the stock names, without classifier,
or the backbone alone, as plain tensors that ``load_from`` of the stock toolbox takes; what they come from
stands in the file and, to be read, in ``pretrained_segmentor.json`` beside it.
"""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmseg.registry import HOOKS
from torch import nn

from labelenc_mm.engine.runner_state import has_loaded_from, unwrapped_model
from labelenc_mm.handover.artefact import ArtefactError
from labelenc_mm.handover.declaration import ArtefactKind, Outside, Take, Under


def pretrained_segmentor(dropped: Sequence[str] = ()) -> ArtefactKind:
    """The artefact of a pretraining.

    Args:
        dropped: Paths of modules of the pretrained model that are no part of it.
    """
    return ArtefactKind(
        kind='labelenc_mm pretrained segmentor',
        noun='pretrained segmentor',
        file_name='pretrained_segmentor.pth',
        origin='Pretrain it first, e.g. with a config of configs/ddep or configs/colorization',
        parts={'': Outside(dropped)},
        labels_of='pretraining',
        checks={
            'method': (lambda value: isinstance(value, str), 'a text'),
            'encoder': (lambda value: isinstance(value, list), 'a list of paths'),
        },
        option='load_from, or LoadPretrainedSegmentor',
    )


@HOOKS.register_module()
class LoadPretrainedSegmentor(Hook):
    """Start a fine-tuning from ``pretrained_segmentor.pth``.

    Everything but the classifiers and auxiliary heads has to be in the file, and nothing else; of a
    colorization, whose file says so, the backbone. What starts fresh is named in the log. It is loaded after
    the backbone's own weights and after ``load_from``; a resumed training goes on from its checkpoint
    instead.

    Args:
        checkpoint: The file.
        target: What it must have been pretrained to predict: 'noise' or 'image', 'ColorHistogramTargets' or
            'LabTargets'; by default any.
        reset_norm_statistics: Whether running statistics of the decoder's batch normalisation start anew:
            they were gathered on corrupted images.

    Raises:
        FileNotFoundError: There is no such file.
        ArtefactError: It is damaged, something else, or does not fit; lists all differences.
    """

    def __init__(
        self, checkpoint: str, target: str | None = None, reset_norm_statistics: bool = False
    ) -> None:
        self.checkpoint = checkpoint
        self.target = target
        self.reset_norm_statistics = reset_norm_statistics

    def before_train(self, runner: Any) -> None:
        """Load it, unless the training is resumed."""
        if runner._resume and runner.iter > 0:
            return
        if has_loaded_from(runner):
            print_log(
                f'LoadPretrainedSegmentor: {self.checkpoint} takes the place of what load_from or init_cfg '
                'of the model has brought',
                'current',
                logging.WARNING,
            )
        load_pretrained_segmentor(
            unwrapped_model(runner), self.checkpoint, self.target, self.reset_norm_statistics
        )


def load_pretrained_segmentor(
    model: nn.Module,
    checkpoint: str,
    target: str | None = None,
    reset_norm_statistics: bool = False,
) -> None:
    """Fill a segmentor; arguments and errors as of :class:`LoadPretrainedSegmentor`."""
    artefact = pretrained_segmentor().read(checkpoint, 'LoadPretrainedSegmentor.checkpoint')
    parts = artefact.metadata.get('parts')
    if parts is None:
        fresh = _fresh_parts(model, artefact.metadata.get('head'))
        takes = [Take('', Outside(fresh))]
    else:
        fresh = [name for name, _ in model.named_children() if name not in parts]
        takes = [Take(f'{part}.', Under(f'{part}.')) for part in parts]
    agree = {} if target is None else {'target': target}
    artefact.check(
        model,
        takes,
        agree,
        'segmentor',
        'Pretrain with the same backbone, neck, decode head and target, or give the config that was '
        'pretrained',
    )
    artefact.fill(model, takes)
    started = [name for name in fresh if any(k.startswith(f'{name}.') for k in model.state_dict())]
    print_log(
        f'Segmentor loaded from {checkpoint} ({artefact.metadata["method"]}); fresh: '
        f'{", ".join(started) or "nothing"}',
        'current',
    )
    if reset_norm_statistics:
        _reset_norm_statistics(model, artefact.metadata['encoder'])


def _fresh_parts(model: Any, stage: int | None) -> list[str]:
    """What of a segmentor no pretraining has: classifiers, auxiliary heads, other stages of a cascade."""
    head = model.decode_head
    is_cascade = isinstance(head, nn.ModuleList)
    if is_cascade != (stage is not None):
        kinds = ('a cascade', 'a single decode head')
        raise ArtefactError(
            f'the file is of {kinds[stage is None]}, this segmentor has '
            f'{kinds[not is_cascade]}: pretrain with the same decode head'
        )
    heads = [f'decode_head.{i}' for i in range(len(head))] if is_cascade else ['decode_head']
    later = heads[stage + 1 :] if stage is not None else []
    classifiers = [f'{name}.conv_seg' for name in heads if name not in later]
    return [*classifiers, *later, 'auxiliary_head', 'label_structure']


def _reset_norm_statistics(model: nn.Module, encoder: Sequence[str]) -> None:
    for name, module in model.named_modules():
        in_encoder = any(f'{name}.'.startswith(f'{path}.') for path in encoder)
        if isinstance(module, nn.modules.batchnorm._NormBase) and not in_encoder:
            module.reset_running_stats()
