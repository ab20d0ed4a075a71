"""Detectors with label encoding, to be measured beside the stock detector."""

import statistics
from fractions import Fraction
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from labelenc_mm.benchmark.costs import measure_peak, time_of
from labelenc_mm.benchmark.plain_form import plain_config
from labelenc_mm.benchmark.task import Task
from labelenc_mm.benchmark.workload import Workload, draw_ellipses, make_scenes
from labelenc_mm.detection import stock_config
from labelenc_mm.detection.introspection import count_classes, predicts_masks


class Detectors(Task):
    """Models of MMDetection, ours with ``model.labelenc``."""

    scope = 'mmdet'
    models = MODELS
    image_size = (800, 1344)
    batch_size = 1

    def set_image_size(self, model: ConfigDict, size: tuple[int, int]) -> None:
        """Nothing to change: images are padded to a multiple of a number, not to a size."""

    def stock_config(self, config: Config) -> Config:
        """The stock detector's config."""
        if not config.model.get('labelenc'):
            raise ValueError(
                f'{config.filename} has no model.labelenc and thus no stock detector beside it; give '
                'configs of label-encoded detectors, or name by --baseline what to compare with'
            )
        return stock_config(config)

    def plain_config(self, config: Config) -> Config:
        """LabelEnc computed as its authors' code does it."""
        return plain_config(config)

    def title(self, stock: Config) -> str:
        """The class."""
        return stock.model.type

    def make_batch(self, workload: Workload, model: Any) -> dict[str, list]:
        """Images and objects for the classes of a detector, with masks if it learns them.

        Raises:
            ValueError: Iterations would differ in how many images pass through the label branch.
        """
        share = getattr(getattr(model, 'labelenc', None), 'label_share', 1.0)
        if share * workload.batch_size % 1:
            batch_size = Fraction(share).limit_denominator(64).denominator
            raise ValueError(
                f'labelenc.label_share={share:g} of --batch-size {workload.batch_size} is no whole number '
                f'of images, so that iterations cost differently: give --batch-size {batch_size}'
            )
        return make_batch(workload, count_classes(model), predicts_masks(model))

    def count_active(self, model: Any) -> int:
        """The parts of a label encoding that do, see :meth:`.FeatureSupervisionHead.count_active`."""
        labelenc: Any = getattr(model, 'labelenc', None)
        return 1 if labelenc is None else labelenc.count_active()

    def further_costs(self, step: Any, repeats: int = 5) -> dict[str, float]:
        """What the object maps of a batch cost, where the training draws some.

        Returns:
            Time to draw them (median), their size, and the peak of PyTorch's allocator from drawing to
            label features; in step 1 with what the backward pass needs.
        """
        labelenc: Any = getattr(step.model, 'labelenc', None)
        # A teacher may have the place of the label encoder, and step 2 may have no distance.
        if labelenc is None or not labelenc.draws_labels:
            return {}
        data = step.model.data_preprocessor(step.fresh_batch(), True)
        with step.as_in_training():  # in one run a share of the images
            learned, others = labelenc.share_images(len(data['data_samples']))
        if not learned and labelenc.loss_weight == 0:
            return {}
        inputs = data['inputs'][learned + others]
        samples = [data['data_samples'][index] for index in learned + others]

        def draw() -> list[tuple[Tensor, Tensor]]:
            size, augment = inputs.shape[-2:], bool(learned)
            return [labelenc.draw(sample, size, augment, step.device) for sample in samples]

        def encode() -> object:
            context = step.optim_wrapper.optim_context(step.model)
            with torch.set_grad_enabled(bool(learned)), context:
                return labelenc.targets(inputs, samples)

        map_bytes = sum(maps.nbytes for _, maps in draw())
        seconds = statistics.median(time_of(draw, step.device)[0] for _ in range(repeats))
        return {
            'draw_milliseconds': seconds * 1e3,
            'map_mib': map_bytes / 2**20,
            'encoding_peak_mib': measure_peak(encode, step.device) / 2**20,
        }


def make_batch(workload: Workload, num_classes: int, with_mask: bool) -> dict[str, list]:
    """A batch as a data loader gives it: uint8 images and samples with ground truth, on the CPU.

    The masks are the ellipses inside the boxes.

    Raises:
        ValueError: If more classes are asked for than there are.
    """
    inputs, samples = [], []
    for scene in make_scenes(workload, num_classes):
        instances = InstanceData(bboxes=scene.bboxes, labels=scene.labels)
        if with_mask:
            masks = draw_ellipses(scene.bboxes, workload.size)
            instances.masks = BitmapMasks(masks, *workload.size)
        sample = DetDataSample(metainfo=scene.metainfo)
        sample.gt_instances = instances
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        inputs.append(scene.image)
        samples.append(sample)
    return {'inputs': inputs, 'data_samples': samples}
