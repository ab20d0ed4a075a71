"""Validation where the encoding learns: the image branch and what labels keep in the label branch.

LabelEnc (ECCV 2020, sec. 4.1) warns of a 'cheat': the distance falls to nearly zero while the encoding
loses its content. The average precision of head(label features) shows it.
"""

import copy
import logging
import os.path as osp
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import LOOPS
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import ValLoop

from labelenc_mm.detection.ground_truth import (
    loads_boxes_after_resize,
    missing_annotations,
    scaled_to_input,
)

PREFIX = 'reconstruction_'
# Options of mmdet's metrics that name what they write, or the beginning of its name.
_FILE_OPTIONS = ('outfile_prefix', 'out_file_path', 'proposals_file')


@LOOPS.register_module()
class LabelEncValLoop(ValLoop):
    """A ValLoop that also evaluates head(label features) of the validation set's ground truth.

    Its metrics are those of the evaluator with ``reconstruction_`` in front of their names,
    ``coco/reconstruction_bbox_mAP``, and of the names of the files that they write. Data sets whose
    pipelines do not load what is drawn (boxes, or boxes and masks), and models without a label branch,
    are validated as usual. A step 1 without images (``labelenc.joint=False``) has these metrics alone.

    Args:
        runner: Given by the Runner.
        dataloader: Given by the Runner (``val_dataloader``).
        evaluator: Given by the Runner (``val_evaluator``), as a config.
        fp16: Whether to validate in half precision, as in mmengine.
    """

    def __init__(self, runner: Any, dataloader: Any, evaluator: Any, fp16: bool = False) -> None:
        if not isinstance(evaluator, dict | list):
            raise TypeError('LabelEncValLoop needs val_evaluator as a config, not as an object')
        self.reconstruction = runner.build_evaluator(_writing_elsewhere(evaluator))
        pair = _PairEvaluator(runner.build_evaluator(evaluator), self.reconstruction)
        super().__init__(runner, dataloader, pair, fp16)
        self.boxes_are_unscaled = loads_boxes_after_resize(self.dataloader.dataset)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Validate one batch on both branches, or on the label branch where no image is looked at."""
        model = self.runner.model
        detector = model.module if is_model_wrapper(model) else model
        head = getattr(detector, 'labelenc', None)
        if getattr(head, 'joint', True):
            super().run_iter(idx, data_batch)
            self.evaluator.has_images = True
            if getattr(head, 'draws_labels', False):
                self._reconstruct(detector, idx, data_batch)
            return
        self.runner.call_hook('before_val_iter', batch_idx=idx, data_batch=data_batch)
        outputs = self._reconstruct(detector, idx, data_batch)
        self.runner.call_hook(
            'after_val_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs
        )

    def _reconstruct(
        self, detector: Any, idx: int, data_batch: Sequence[dict]
    ) -> list[DetDataSample]:
        """Evaluate head(label features) of one batch; nothing where the ground truth is not loaded."""
        data = detector.data_preprocessor(data_batch, False)
        samples = data['data_samples']
        missing = missing_annotations(samples, detector.labelenc.label_source)
        if missing:
            if idx == 0:
                print_log(
                    f'The validation pipeline loads no {" and no ".join(missing)} (LoadAnnotations): '
                    'no reconstruction is evaluated',
                    'current',
                    logging.WARNING,
                )
            return []
        encoded = [scaled_to_input(s) if self.boxes_are_unscaled else s.new() for s in samples]
        outputs = detector.reconstruct(data['inputs'], encoded)
        # Metrics that compare with the ground truth of the samples want it in its own coordinates.
        results = [sample.new() for sample in samples]
        for result, output in zip(results, outputs, strict=True):
            result.pred_instances = output.pred_instances
        self.reconstruction.process(data_samples=results, data_batch=data_batch)
        self.evaluator.has_reconstruction = True
        return results


def _writing_elsewhere(evaluator: Any) -> Any:
    """A copy of an evaluator's config whose metrics write files of other names."""
    if isinstance(evaluator, list | tuple):
        return [_writing_elsewhere(metric) for metric in evaluator]
    evaluator = copy.deepcopy(evaluator)
    if 'metrics' in evaluator:  # of an Evaluator that is built from several
        evaluator['metrics'] = _writing_elsewhere(evaluator['metrics'])
    for key in _FILE_OPTIONS:
        if evaluator.get(key):
            folder, name = osp.split(evaluator[key])
            evaluator[key] = osp.join(folder, f'{PREFIX}{name}')
    return evaluator


class _PairEvaluator(Evaluator):
    """The evaluator of the image branch, which adds the metrics of the reconstruction."""

    def __init__(self, images: Evaluator, reconstruction: Evaluator) -> None:
        super().__init__(images.metrics)
        self.images = images  # it may be of a class with ways of its own, such as one per data set
        self.reconstruction = reconstruction
        self.has_images = False
        self.has_reconstruction = False
        self.nothing: dict[str, float] = {}

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set, the same for both."""
        return self.images.dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self.images.dataset_meta = dataset_meta
        self.reconstruction.dataset_meta = dataset_meta

    def process(self, data_samples: Sequence[Any], data_batch: Any = None) -> None:
        """Take in what the image branch has found."""
        self.images.process(data_samples, data_batch)

    def evaluate(self, size: int) -> dict:
        """Metrics of ``size`` images on both branches."""
        # A process may have got no image, and all have to take part in the same evaluations.
        seen = torch.tensor([self.has_images, self.has_reconstruction], dtype=torch.uint8)
        all_reduce(seen, 'max')
        has_images, has_reconstruction = seen.tolist()
        metrics = self.images.evaluate(size) if has_images else {}
        if has_reconstruction:
            print_log('Reconstruction: head(label features) of the ground truth', 'current')
            values = self.reconstruction.evaluate(size)
            # A metric of a detector that finds nothing gives no values: who keeps the best checkpoint misses
            # them, and the log repeats the last ones. Where images begin late, nothing is found in them for
            # long, and later maybe nothing in the labels.
            self.nothing |= dict.fromkeys([*metrics, *values], 0.0)
            if has_images:
                metrics = {**self.nothing, **metrics}
            values = {**self.nothing, **values}
            metrics |= {_reconstruction_key(key): value for key, value in values.items()}
        self.has_images = self.has_reconstruction = False
        return metrics


def _reconstruction_key(key: str) -> str:
    """'coco/bbox_mAP' -> 'coco/reconstruction_bbox_mAP'.

    The toolbox's log tools go by the last part alone, which must not be that of the image branch.
    """
    prefix, slash, name = key.rpartition('/')
    return f'{prefix}{slash}{PREFIX}{name}'
