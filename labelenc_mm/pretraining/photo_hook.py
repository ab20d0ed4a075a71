"""The hook of trainings on photos without labels: what photos they are, and what was wrong with some."""

import logging
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from labelenc_mm.engine.data.wrappers import loading_datasets
from labelenc_mm.handover.hook import HandOverHook
from labelenc_mm.pretraining.photo_dataset import PhotoDataset, PhotoError, photo_facts
from labelenc_mm.segmentation.label_structure.export import export_segmentor

_SHOWN = 20  # damaged photos by name


@HOOKS.register_module()
class PhotoHook(HandOverHook):
    """Counts photos and tells of gray and damaged ones.

    Gray photos are named once, when the first is met, and counted at the end of each epoch, over all
    ranks; damaged ones, for which ``PhotoDataset(skip_damaged=True)`` has taken others, are listed there.
    """

    exporter = export_segmentor

    def __init__(self) -> None:
        super().__init__()
        self._gray = 0
        self._seen = 0
        self._damaged: set[str] = set()
        self._told_gray = False

    def before_train(self, runner: Runner) -> None:
        """Note what the photos are."""
        super().before_train(runner)
        dataset = runner.train_dataloader.dataset
        self.metainfo['photos'] = len(dataset)
        self.metainfo['photo_sources'] = [
            part.ann_file or part.data_prefix['img_path']
            for part in loading_datasets(dataset)
            if isinstance(part, PhotoDataset)
        ]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note what the photos are in the checkpoint, too, for ``tools/export.py``."""
        meta = checkpoint['meta']
        meta['dataset_meta'] = {**(meta.get('dataset_meta') or {}), **photo_facts(self.metainfo)}

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin to count."""
        self._gray = self._seen = 0
        self._damaged = set()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the photos of a batch."""
        for sample in data_batch['data_samples']:
            self._seen += 1
            self._damaged.update(sample.metainfo.get('damaged_photos') or ())
            if sample.metainfo.get('is_gray'):
                self._gray += 1
                if not self._told_gray:
                    self._told_gray = True
                    print_log(
                        f'{sample.metainfo.get("img_path")} is gray; such photos have three equal channels',
                        'current',
                    )

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Refuse photos that cannot be put into one batch.

        Raises:
            PhotoError: They have different sizes; says which.
        """
        _check_sizes(data_batch, 'val')

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """As :meth:`before_val_iter`."""
        _check_sizes(data_batch, 'test')

    def after_train_epoch(self, runner: Runner) -> None:
        """Tell of all ranks together."""
        counts = all_gather_object((self._seen, self._gray, sorted(self._damaged)))
        seen, gray = (sum(each[i] for each in counts) for i in (0, 1))
        damaged = sorted({path for each in counts for path in each[2]})
        if gray == seen > 0:
            print_log(
                f'all {seen} photos of epoch {runner.epoch + 1} were gray: there is no color to learn from. '
                'Name color photos in train_dataloader if this is a colorization',
                'current',
                logging.WARNING,
            )
        elif gray:
            print_log(f'{gray} of {seen} photos of this epoch were gray', 'current')
        if damaged:
            more = f' and {len(damaged) - _SHOWN} more' if len(damaged) > _SHOWN else ''
            print_log(
                # With its number: the logger drops a warning that repeats an earlier one.
                f'{len(damaged)} photos could not be read in epoch {runner.epoch + 1}, others took their '
                'place:\n  ' + '\n  '.join(damaged[:_SHOWN]) + more,
                'current',
                logging.WARNING,
            )


def _check_sizes(data_batch: Any, loop: str) -> None:
    """MMSegmentation pads whole images to one size in training alone."""
    sizes = sorted({tuple(image.shape[-2:]) for image in data_batch['inputs']})
    if len(sizes) > 1:
        raise PhotoError(
            f'{loop}_dataloader has photos of several sizes in one batch, {", ".join(map(str, sizes))} '
            f'pixels (height, width): set {loop}_dataloader.batch_size=1, or bring them to one size by its '
            "pipeline, dict(type='Resize', scale=..., keep_ratio=False)"
        )
