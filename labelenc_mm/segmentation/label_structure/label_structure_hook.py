"""What a training of label structure needs beside its model, and leaves behind when it ends."""

import os.path as osp
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import HOOKS

from labelenc_mm.engine.companions import attend
from labelenc_mm.engine.data.wrappers import iterate_datasets
from labelenc_mm.engine.late_workers import start_workers_late
from labelenc_mm.engine.runner_state import (
    averaged_state_dict,
    has_loaded_from,
    run_label_names,
    train_metainfo,
    unwrapped_model,
)
from labelenc_mm.handover.after_training import export_after_training, writes_last_weights
from labelenc_mm.handover.checkpoint_fit import check_checkpoint
from labelenc_mm.segmentation.data.absent_classes import AbsentClasses, count_first_epoch
from labelenc_mm.segmentation.data.label_map_size import check_sizes
from labelenc_mm.segmentation.data.label_only_pipeline import image_loaders, label_only, left_out
from labelenc_mm.segmentation.data.void_labels import check_void_labels
from labelenc_mm.segmentation.label_structure import label_code
from labelenc_mm.segmentation.label_structure.export import FILE_NAME, export_segmentor
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead
from labelenc_mm.segmentation.label_structure.label_autoencoder import LabelAutoEncoder


@HOOKS.register_module()
class LabelStructureHook(Hook):
    """For both trainings of label structure (CVPR 2018); which one it is, the model says.

    A :class:`LabelAutoEncoder` is trained and validated without decoding images; at the end it leaves
    ``label_autoencoder.safetensors``. A segmentor with our heads is refused if they were trained on
    other labels than its data set has; at the end it leaves ``exported_segmentor.pth``, which the stock
    toolbox loads. Both files hold the averaged weights where an EMAHook keeps some.

    Args:
        read_images: Whether an autoencoder's pipelines read images all the same, e.g. for a custom
            transform that looks at them.
        export: Whether to write the exported segmentor.
    """

    # Before the hook that makes pipelines name their samples, which exchanges them.
    priority = 'LOW'

    def __init__(self, read_images: bool = False, export: bool = True) -> None:
        self.read_images = read_images
        self.export = export
        self._absent: AbsentClasses | None = None

    def before_run(self, runner: Runner) -> None:
        """Prepare the pipelines of all loops, which are built by now.

        An autoencoder's lose their images; all compare label maps with images. What is void must be so
        everywhere.
        """
        start_workers_late(runner)
        loops = (runner._train_loop, runner._val_loop, runner._test_loop)
        # A loop that this run does not use is still a config.
        dataloaders = [getattr(loop, 'dataloader', None) for loop in loops]
        datasets = [
            d for loader in dataloaders for d in iterate_datasets(getattr(loader, 'dataset', None))
        ]
        # A wrapper that mixes samples has a plain list, which follows that of the loading data set.
        pipelines = [getattr(getattr(d, 'pipeline', None), 'transforms', []) for d in datasets]
        _check_reduce_zero_label(datasets)
        model = unwrapped_model(runner)
        if isinstance(runner._train_loop, BaseLoop):
            metrics = getattr(getattr(runner._val_loop, 'evaluator', None), 'metrics', [])
            check_void_labels(model, datasets, metrics)
        drops_images = isinstance(model, LabelAutoEncoder) and not self.read_images
        without: set[str] = set()
        for transforms in pipelines:
            kept = label_only(transforms) if drops_images else transforms
            without |= left_out(transforms, kept)
            # In place: the list may be shared with what makes errors name the sample.
            transforms[:] = check_sizes(kept)
        if drops_images:
            left = set().union(*map(image_loaders, pipelines))
            read = (
                f'images are read by {", ".join(sorted(left))}' if left else 'no image is decoded'
            )
            if without:
                read += f'; left out: {", ".join(sorted(without))}'
            print_log(f'Label autoencoder: only label maps are used, {read}', 'current')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse a checkpoint of other classes or, in part, of other label encoders and decoders.

        Raises:
            CheckpointError: It does not fit; nothing of it has been loaded.
        """
        model = unwrapped_model(runner)
        ours = ['label_structure.']
        if isinstance(model, LabelAutoEncoder):
            ours = [f'{part}.' for part in label_code.PARTS]
        for name, head in model.named_modules():
            if isinstance(head, FrozenLabelHead):  # also a plain auxiliary head
                ours.append(f'{name}.{head.part}.')
        check_checkpoint(runner, checkpoint, ours)

    def before_train(self, runner: Runner) -> None:
        """Load what the heads start from and refuse other labels, of an autoencoder or in the data.

        ``init_from`` wins over what a checkpoint, in ``load_from`` or the model's ``init_cfg``, has
        brought.
        """
        run_label_names(runner)
        model, metainfo = unwrapped_model(runner), train_metainfo(runner)
        attend(model)
        if isinstance(model, LabelAutoEncoder):
            label_code.check_num_classes(model.num_classes, metainfo.get('classes'))
        for head in model.modules():
            if isinstance(head, FrozenLabelHead):
                head.load(again=has_loaded_from(runner))
                label_code.check_labels(head.init_from, head.metadata, metainfo)
        self._absent = count_first_epoch(runner, model, metainfo.get('classes'))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Warn after the first epoch of classes that it had no pixel of."""
        if self._absent is not None:
            self._absent.add(data_batch['data_samples'])

    def after_train(self, runner: Runner) -> None:
        """Write the file of this training on the main process.

        Raises:
            ExportError: The export failed, for whatever reason; says how to repeat it.
        """
        if not is_main_process():
            return
        model = unwrapped_model(runner)
        if isinstance(model, LabelAutoEncoder):
            path = osp.join(runner.work_dir, label_code.FILE_NAME)
            with writes_last_weights(runner, path, 'label autoencoder for segmentors (init_from)'):
                label_code.save_label_autoencoder(
                    model, averaged_state_dict(runner), path, train_metainfo(runner)
                )
        elif self.export:
            path = osp.join(runner.work_dir, FILE_NAME)
            export_after_training(runner, export_segmentor, path, 'segmentor')


def _check_reduce_zero_label(datasets: list[Any]) -> None:
    """Refuse training and validation data whose label 0 means different things."""
    flags = {
        bool(dataset.reduce_zero_label)
        for dataset in datasets
        if hasattr(dataset, 'reduce_zero_label')
    }
    if len(flags) > 1:
        raise ValueError(
            'reduce_zero_label is set for some data sets of this run and not for others: label 0 would '
            'be void in one and a class in the other. Set it alike in train, val and test dataloader'
        )
