"""What a label-encoded training leaves behind when it ends."""

import os.path as osp
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from labelenc_mm.detection import hand_over
from labelenc_mm.detection.export import FILE_NAME, ExportError, export_detector, log_export


@HOOKS.register_module()
class LabelEncHook(Hook):
    """Checks classes before training; afterwards writes the hand-over file and the stock detector.

    After every training, also one that a resume finds complete: ``exported_detector.pth``, which the
    stock toolbox loads. After step 1 also ``label_encoding.safetensors`` for step 2. Both hold the
    averaged weights where an EMAHook keeps some.

    Args:
        export: Whether to write the exported detector.
    """

    priority = 'LOWEST'

    def __init__(self, export: bool = True) -> None:
        self.export = export

    def before_train(self, runner: Runner) -> None:
        """Refuse a step-1 file of other classes."""
        hand_over.check_classes(_unwrap(runner.model), _metainfo(runner).get('classes'))

    def after_train(self, runner: Runner) -> None:
        """Write the files on the main process, after the last checkpoint.

        Raises:
            ExportError: The export failed, for whatever reason; says how to repeat it.
        """
        if not is_main_process():
            return
        detector = _unwrap(runner.model)
        state_dict = averaged_state_dict(runner, detector)
        metainfo = _metainfo(runner)
        if detector.labelenc.stage == 'autoencode':
            path = osp.join(runner.work_dir, hand_over.FILE_NAME)
            hand_over.save_label_encoding(detector, state_dict, path, metainfo.get('classes'))
            print_log(f'Label encoding for step 2 (labelenc.init_from): {path}', 'current')
        if self.export:
            try:
                _export(runner, detector, state_dict, metainfo)
            except Exception as error:
                config = osp.join(runner.work_dir, osp.basename(runner.cfg.filename or 'CONFIG'))
                checkpoint = runner.message_hub.get_info('last_ckpt') or 'CHECKPOINT'
                raise ExportError(
                    f'{error}\nThe training is complete and its checkpoints are written; only the '
                    'export of the stock detector failed. To repeat it:\n  python tools/'
                    f'export_detector.py {config} {checkpoint} {osp.join(runner.work_dir, FILE_NAME)}'
                ) from error


def _export(runner: Runner, detector: Any, state_dict: dict, metainfo: dict) -> None:
    device = next(detector.parameters()).device
    out = osp.join(runner.work_dir, FILE_NAME)
    with torch.random.fork_rng(devices=[device] if device.type == 'cuda' else []):
        log_export(export_detector(runner.cfg, state_dict, out, metainfo, device))


def averaged_state_dict(runner: Runner, detector: Any) -> dict[str, torch.Tensor]:
    """The weights that a checkpoint of this run would hold: averaged ones under EMA."""
    checkpoint: dict[str, Any] = {'state_dict': detector.state_dict()}
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            hook.before_save_checkpoint(runner, checkpoint)
    return checkpoint['state_dict']


def _unwrap(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


def _metainfo(runner: Runner) -> dict:
    return dict(getattr(runner.train_dataloader.dataset, 'metainfo', None) or {})
