"""What a label-encoded training leaves behind when it ends."""

import os.path as osp

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from labelenc_mm.detection import hand_over
from labelenc_mm.detection.export import FILE_NAME, export_detector
from labelenc_mm.engine.export import export_after_training
from labelenc_mm.engine.runner_state import (
    averaged_state_dict,
    has_loaded_from,
    train_metainfo,
    unwrapped_model,
)


@HOOKS.register_module()
class LabelEncHook(Hook):
    """Checks classes before training; afterwards writes the hand-over file and the stock detector.

    After every training, also one that a resume finds complete: ``exported_detector.pth``, which the
    stock toolbox loads (not after a step 1 without images, which has no detector to export). After
    step 1 also ``label_encoding.safetensors`` for step 2. Both hold the averaged weights where an
    EMAHook keeps some.

    Args:
        export: Whether to write the exported detector.
    """

    priority = 'LOWEST'

    def __init__(self, export: bool = True) -> None:
        self.export = export

    def before_train(self, runner: Runner) -> None:
        """Refuse a step-1 file of other classes.

        Of frozen parts ``labelenc.init_from`` wins over what a checkpoint in ``load_from`` has brought.

        Raises:
            ValueError: The checkpoint in ``load_from`` is one of step 1.
        """
        detector = unwrapped_model(runner)
        head = detector.labelenc
        if head.init_from is not None and has_loaded_from(runner):
            if not int(head.encoder_is_loaded):  # init_from had set it
                raise ValueError(
                    f'load_from={runner._load_from!r} is a checkpoint of step 1, which brings its '
                    'backbone, neck and adapter as well. Leave load_from out: what step 2 takes over '
                    'is in labelenc.init_from'
                )
            head.load_frozen_parts(detector)
        hand_over.check_classes(detector, train_metainfo(runner).get('classes'))

    def after_train(self, runner: Runner) -> None:
        """Write the files on the main process, after the last checkpoint.

        Raises:
            ExportError: The export failed, for whatever reason; says how to repeat it.
        """
        if not is_main_process():
            return
        detector = unwrapped_model(runner)
        if detector.labelenc.stage == 'autoencode':
            path = osp.join(runner.work_dir, hand_over.FILE_NAME)
            classes = train_metainfo(runner).get('classes')
            hand_over.save_label_encoding(detector, averaged_state_dict(runner), path, classes)
            print_log(f'Label encoding for step 2 (labelenc.init_from): {path}', 'current')
        if not detector.labelenc.joint:
            print_log(
                'No detector is exported: with labelenc.joint=False backbone and neck are untrained',
                'current',
            )
        elif self.export:
            path = osp.join(runner.work_dir, FILE_NAME)
            export_after_training(runner, export_detector, path, 'detector')
