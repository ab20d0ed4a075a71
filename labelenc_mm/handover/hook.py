"""The hook of a training that takes from an earlier one, or leaves something for the next."""

import os.path as osp
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from labelenc_mm.engine.companions import attend
from labelenc_mm.engine.runner_state import (
    averaged_state_dict,
    has_loaded_from,
    run_label_names,
    train_metainfo,
    unwrapped_model,
)
from labelenc_mm.handover.after_training import export_after_training, writes_last_weights
from labelenc_mm.handover.checkpoint_fit import check_checkpoint
from labelenc_mm.handover.declaration import leaves_of, not_exported
from labelenc_mm.handover.export import Exporter
from labelenc_mm.handover.frozen_part import named_frozen_parts, own_prefixes


class HandOverHook(Hook):
    """Fills frozen parts and refuses other labels before training; afterwards writes what is left.

    The files are written after every training, also one that a resume finds complete, with the averaged
    weights where an EMAHook keeps some. Which they are, the model declares (:class:`HandsOver`), and the
    stock model, if it has one, is exported.

    Args:
        export: Whether to export the stock model.
    """

    exporter: Exporter
    """Of the toolbox."""

    def __init__(self, export: bool = True) -> None:
        self.export = export
        self.metainfo: dict[str, Any] = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse a checkpoint of other classes or, in part, of other parts of ours.

        Raises:
            CheckpointError: It does not fit; nothing of it has been loaded.
        """
        check_checkpoint(runner, checkpoint, own_prefixes(unwrapped_model(runner)))

    def before_train(self, runner: Runner) -> None:
        """Fill frozen parts, and compare the labels of the data with those of what filled them.

        ``init_from`` wins over what a checkpoint, in ``load_from`` or the model's ``init_cfg``, has
        brought.

        Raises:
            ValueError: Labels are not what ``metainfo.classes`` calls them, or not those of an artefact; or
                DDP does not look for parameters that rest.
        """
        model = unwrapped_model(runner)
        attend(runner.model)
        names = run_label_names(runner)  # first: it says best what is wrong with them
        self.metainfo = {**train_metainfo(runner), 'classes': names}
        for _, part in named_frozen_parts(model):
            part.load(model, again=part.init_from is not None and has_loaded_from(runner))
            part.check_labels(self.metainfo)

    def after_train(self, runner: Runner) -> None:
        """Write the files on the main process, after the last checkpoint.

        Raises:
            ExportError: The export failed, for whatever reason; says how to repeat it.
        """
        if not is_main_process():
            return
        model = unwrapped_model(runner)
        leaves = leaves_of(model, self.metainfo)
        if leaves is not None:
            path = osp.join(runner.work_dir, leaves.kind.file_name)
            kind = leaves.kind
            with writes_last_weights(runner, path, f'{kind.noun} ({kind.option})'):
                kind.save(path, averaged_state_dict(runner), leaves.metadata)
        reason = not_exported(model)
        if reason:
            print_log(f'No {self.exporter.noun} is exported: {reason}', 'current')
        elif self.export:
            path = osp.join(runner.work_dir, self.exporter.file_name)
            export_after_training(runner, self.exporter, path)
