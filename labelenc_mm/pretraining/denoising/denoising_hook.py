"""The hook of denoising pretraining: a warning before, the pretrained segmentor after."""

import logging

from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from labelenc_mm.engine.runner_state import has_loaded_from, unwrapped_model
from labelenc_mm.pretraining.denoising.segmentor_parts import is_pretrained
from labelenc_mm.pretraining.photo_hook import PhotoHook


@HOOKS.register_module()
class DenoisingHook(PhotoHook):
    """For a :class:`DenoisingDecoderPretrainer`.

    Warns of a frozen encoder that nothing has trained, and leaves ``pretrained_segmentor.pth``, with the
    averaged weights where an EMAHook keeps some.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at where the frozen encoder comes from."""
        super().before_train(runner)
        model = unwrapped_model(runner)
        started = has_loaded_from(runner) or (runner._resume and runner.iter > 0)
        random = [path for path in model.encoder if not is_pretrained(model, path)]
        if random and not started:
            print_log(
                f'Denoising: {", ".join(random)} is frozen at random weights: neither init_cfg nor '
                'pretrained nor load_from names a checkpoint. DDeP presupposes a pretrained encoder '
                '(sec. 3); for none, train everything with model.encoder=() (DeP)',
                'current',
                logging.WARNING,
            )
