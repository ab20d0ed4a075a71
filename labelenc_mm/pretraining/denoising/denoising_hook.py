"""The hook of denoising pretraining: a warning before, the pretrained segmentor after."""

import logging

from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from labelenc_mm.engine.runner_state import has_loaded_from, unwrapped_model
from labelenc_mm.pretraining.denoising.segmentor_parts import is_pretrained
from labelenc_mm.pretraining.photo_hook import PhotoHook
from labelenc_mm.toolbox.safe_loading import CheckpointError


@HOOKS.register_module()
class DenoisingHook(PhotoHook):
    """For a :class:`DenoisingDecoderPretrainer`.

    Warns of a frozen encoder that nothing has trained, and leaves ``pretrained_segmentor.pth``, with the
    averaged weights where an EMAHook keeps some.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note what is predicted, which no tensor tells."""
        super().before_save_checkpoint(runner, checkpoint)
        checkpoint['meta']['dataset_meta']['denoising_target'] = unwrapped_model(runner).target

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to resume from a training that predicts something else.

        Raises:
            CheckpointError: It does.
        """
        super().after_load_checkpoint(runner, checkpoint)
        facts = checkpoint.get('meta', {}).get('dataset_meta') or {}
        target = unwrapped_model(runner).target
        saved = facts.get('denoising_target', target)
        if runner._resume and saved != target:
            raise CheckpointError(
                f'{runner._load_from or "the newest checkpoint"} is of a training of model.target={saved!r}, '
                f'this one has {target!r}: resume with the same, or begin anew in another work_dir'
            )

    def before_train(self, runner: Runner) -> None:
        """Look at where the frozen encoder comes from."""
        super().before_train(runner)
        model = unwrapped_model(runner)
        started = has_loaded_from(runner) or (runner._resume and runner.iter > 0)
        random = [path for path in model.encoder if not is_pretrained(model, path)]
        if random and not started:
            print_log(
                f'Denoising: {", ".join(random)} is frozen at random weights: neither init_cfg nor '
                'pretrained nor load_from names a checkpoint (what a backbone of timm loads by itself is not '
                'seen). DDeP presupposes a pretrained encoder (sec. 4); for none, train everything with '
                'model.encoder=() (DeP)',
                'current',
                logging.WARNING,
            )
