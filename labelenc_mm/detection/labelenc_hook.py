"""The hook of a label-encoded training: checks before it, files after it."""

from collections.abc import Sequence
from typing import Any

from mmdet.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from labelenc_mm.detection.absent_classes import check_objects
from labelenc_mm.detection.export import export_detector
from labelenc_mm.detection.introspection import head_children
from labelenc_mm.detection.label_encoding import start_neck
from labelenc_mm.detection.label_pass import LABEL_PREFIX
from labelenc_mm.detection.labelenc_detector import LabelEncMixin
from labelenc_mm.engine.gradient_clipping import clip_apart
from labelenc_mm.engine.runner_state import (
    averaged_models,
    has_loaded_from,
    leave_log,
    unwrapped_model,
)
from labelenc_mm.engine.second_warmup import repeat_warmup
from labelenc_mm.handover.hook import HandOverHook
from labelenc_mm.toolbox.safe_loading import CheckpointError

_STAGE = 'labelenc_stage'
_OF_LABELS = (f'train/{LABEL_PREFIX}',)
_OF_THE_DISTANCE = ('train/loss_labelenc', 'train/labelenc_corr_')


@HOOKS.register_module()
class LabelEncHook(HandOverHook):
    """Checks classes before training; afterwards writes the label encoding and the stock detector.

    After every training, also one that a resume finds complete: ``exported_detector.pth``, which the
    stock toolbox loads (not after a step 1 without images, which has no detector to export). After
    step 1 and one run also ``label_encoding.safetensors`` for step 2. Both hold the averaged weights
    where an EMAHook keeps some.

    Args:
        export: Whether to write the exported detector.
    """

    priority = 'LOWEST'
    exporter = export_detector
    loaded_stage: str | None = None
    """Stage of the checkpoint that the training starts from, as far as it says one."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse a checkpoint of other classes, of another encoder or, on a resume, of the other step.

        Raises:
            CheckpointError: It does not fit; nothing of it has been loaded.
        """
        super().after_load_checkpoint(runner, checkpoint)
        check_is_of_this_step(runner, checkpoint)
        self.loaded_stage = checkpoint.get('meta', {}).get(_STAGE)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note the stage, of which the tensors say nothing."""
        super().before_save_checkpoint(runner, checkpoint)
        checkpoint['meta'][_STAGE] = getattr(unwrapped_model(runner).labelenc, 'stage', None)

    def before_train(self, runner: Runner) -> None:
        """Refuse what would train something else, such as a label encoding of other classes.

        In one run gradients of ours are clipped apart from those of the detector, and a linear warm-up runs
        again where images begin after the labels.

        Raises:
            ValueError: The model is not label-encoded, labels are not what ``metainfo.classes`` calls
                them, the checkpoint in ``load_from`` is one of step 1, or parts of the head would run again
                after the pass of label features, with their normalisation put back.
        """
        detector = unwrapped_model(runner)
        if not isinstance(detector, LabelEncMixin):
            raise ValueError(
                f'LabelEncHook: the model is a {type(detector).__name__}, which has no label encoding. '
                'A baseline inherits from the stock config, which has no such hook; otherwise '
                'model.type has to be a LabelEnc detector itself, not a model around one'
            )
        head = detector.labelenc
        check_activation_checkpointing(detector, runner.cfg.get('activation_checkpointing'))
        # init_from has marked it as learned, and so has one run.
        is_of_step_2 = head.is_learned and self.loaded_stage in (None, 'supervise')
        if head.init_from is not None and has_loaded_from(runner) and not is_of_step_2:
            raise ValueError(
                f'load_from={runner._load_from!r} is a checkpoint of step 1, which brings its '
                'backbone, neck and adapter as well. Leave load_from out: what step 2 takes over '
                'is in labelenc.init_from'
            )
        batches = getattr(runner.train_dataloader, 'batch_sampler', None)
        head.batch_size = getattr(batches, 'batch_size', 0) or 0
        window = head.image_window
        if window is not None:
            if has_loaded_from(runner):
                head.mark_learned()  # The neck is that of the checkpoint.
            repeat_warmup(runner, window.begin_iteration(runner.max_iters, runner.max_epochs))
        if head.is_clipped_apart:
            clip_apart(runner.optim_wrapper, head.parameters())
        super().before_train(runner)
        check_objects(runner.train_dataloader.dataset, self.metainfo['classes'])

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Have averaged weights begin with the images as the detector does, which then averages its own.

        Losses that do not count any more leave the log, which would repeat their last values until the end.
        """
        head = unwrapped_model(runner).labelenc
        if head.is_about_to_begin_images():
            for model in averaged_models(runner):
                start_neck(model)
        ended: tuple[str, ...] = () if head.is_distance_active() else _OF_THE_DISTANCE
        if head.sees_images() and not head.has_label_pass():
            ended += _OF_LABELS
        leave_log(runner, ended)


def check_is_of_this_step(runner: Runner, checkpoint: dict) -> None:
    """Refuse to resume a stage from a checkpoint of another, whose tensors are the same.

    Those of earlier versions do not say their stage, and tell step 2 alone from the others.

    Raises:
        CheckpointError: It is of another stage.
    """
    flag = checkpoint.get('state_dict', {}).get('labelenc.encoder_is_loaded')
    head = getattr(unwrapped_model(runner), 'labelenc', None)
    if not runner._resume or flag is None or head is None:
        return
    stage, own = checkpoint.get('meta', {}).get(_STAGE), getattr(head, 'stage', None)
    if stage == own or (stage is None and bool(flag) != head.learns_labels):
        return
    of = repr(stage) if stage else f'step {2 if flag else 1}'
    raise CheckpointError(
        f'{runner._load_from or "the newest checkpoint"} is of {of}, but this training has '
        f'labelenc.stage={own!r}. Resume from a checkpoint of its own; step 2 starts from '
        'labelenc.init_from'
    )


def check_activation_checkpointing(
    detector: LabelEncMixin, names: Sequence[str] | str | None
) -> None:
    """Refuse parts that would train on nothing or on something else if they were run a second time.

    mmengine's activation checkpointing passes gradients through tensors alone that need one: not
    through images nor lists of features, which are what backbone, neck and dense heads take.
    While label features pass the head beside images, its normalisation is in evaluation mode, and in one run
    its parameters are at rest. The second run, in the backward pass, would find neither so.

    Args:
        detector: The detector.
        names: Modules whose activations are not kept, mmengine's option ``activation_checkpointing``.

    Raises:
        ValueError: One of them is such a part, or holds it.
    """
    names = [names] if isinstance(names, str) else names or ()
    takes_no_tensor = {'backbone', 'neck', *head_children(detector)} - {'roi_head'}
    for name in names:
        if name in takes_no_tensor:
            raise ValueError(
                f'activation_checkpointing={name!r}: no gradient passes the second run of a part whose '
                'input is an image or a list of features, so that it would not be trained. Name parts '
                'that take one tensor, such as backbone.layer1'
            )
    if not detector.labelenc.has_labels_beside_images:
        return
    in_head = {m for child in head_children(detector).values() for m in child.modules()}
    if not detector.labelenc.labels_train_head:
        twice = [
            f'with_cp=True of a {type(module).__name__} in the head'
            for module in in_head
            if getattr(module, 'with_cp', False)
        ] + [
            f'activation_checkpointing={name!r}'
            for name in names
            if not in_head.isdisjoint(detector.get_submodule(name).modules())
        ]
        if twice:
            raise ValueError(
                f'{twice[0]}: in one run the head is at rest while label features pass it, and its second '
                'run would learn from them. Run no part of the head twice, or set '
                'labelenc.labels_train_head=True'
            )
    for name in names:
        for module in detector.get_submodule(name).modules():
            if module in in_head and isinstance(getattr(module, 'running_mean', None), Tensor):
                raise ValueError(
                    f'activation_checkpointing={name!r}: the head passes label features with its '
                    'normalisation in evaluation mode, and would run again without. Name '
                    'modules outside of the head, or give it a normalisation without running '
                    'statistics (GN)'
                )
