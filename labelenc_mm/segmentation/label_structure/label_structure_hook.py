"""The hook of both trainings of label structure: pipelines and checks before, files after."""

from typing import Any

from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import HOOKS

from labelenc_mm.engine.data.wrappers import iterate_datasets
from labelenc_mm.engine.late_workers import start_workers_late
from labelenc_mm.engine.runner_state import unwrapped_model
from labelenc_mm.handover.hook import HandOverHook
from labelenc_mm.segmentation.data.absent_classes import AbsentClasses, count_first_epoch
from labelenc_mm.segmentation.data.label_map_size import check_sizes
from labelenc_mm.segmentation.data.label_only_pipeline import image_loaders, label_only, left_out
from labelenc_mm.segmentation.data.void_labels import check_void_labels
from labelenc_mm.segmentation.label_structure import label_code
from labelenc_mm.segmentation.label_structure.export import export_segmentor
from labelenc_mm.segmentation.label_structure.label_autoencoder import LabelAutoEncoder


@HOOKS.register_module()
class LabelStructureHook(HandOverHook):
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
    exporter = export_segmentor

    def __init__(self, read_images: bool = False, export: bool = True) -> None:
        super().__init__(export)
        self.read_images = read_images
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

    def before_train(self, runner: Runner) -> None:
        """Refuse other labels, of an autoencoder or in the data."""
        super().before_train(runner)
        model, classes = unwrapped_model(runner), self.metainfo['classes']
        if isinstance(model, LabelAutoEncoder):
            label_code.check_num_classes(model.num_classes, classes)
        self._absent = count_first_epoch(runner, model, classes)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Warn after the first epoch of classes that it had no pixel of."""
        if self._absent is not None:
            self._absent.add(data_batch['data_samples'])


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
