"""Segmentors with label structure, to be measured beside the stock segmentor."""

from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from labelenc_mm.benchmark.task import Task
from labelenc_mm.benchmark.workload import Workload, draw_ellipses, make_scenes
from labelenc_mm.engine.built_models import model_config
from labelenc_mm.labels import VOID
from labelenc_mm.segmentation.label_structure.export import stock_config

_CORE = 0.9  # share of an ellipse's axes inside its rim of void


class Segmentors(Task):
    """Models of MMSegmentation, ours with label heads in ``label_structure`` or ``auxiliary_head``."""

    scope = 'mmseg'
    models = MODELS
    image_size = (512, 512)
    batch_size = 2  # batch norm behind a global pooling, as in PSPNet, takes no single image

    def set_image_size(self, model: ConfigDict, size: tuple[int, int]) -> None:
        """Pad to this size and not to the crop size of the config."""
        preprocessor = model.get('data_preprocessor')
        if preprocessor and preprocessor.get('size') is not None:
            preprocessor.size = size

    def stock_config(self, config: Config) -> Config:
        """The stock segmentor's config."""
        stock = stock_config(config)
        if stock.model == model_config(config):
            raise ValueError(
                f'{config.filename} has no label head, neither in model.label_structure nor in '
                'model.auxiliary_head, and thus no stock segmentor beside it; give configs of '
                'segmentors with label structure, or name by --baseline what to compare with'
            )
        return stock

    def plain_config(self, config: Config) -> Config:
        """There is none."""
        raise ValueError(
            f'{config.filename}: there is no plain form of label structure to compare with; leave '
            '--plain out'
        )

    def title(self, stock: Config) -> str:
        """Class and decode head: most segmentors are of one class."""
        head = stock.model.decode_head
        head = head[-1] if isinstance(head, list | tuple) else head  # a cascade
        return f'{stock.model.type} ({head.type})'

    def make_batch(self, workload: Workload, model: Any) -> dict[str, list]:
        """Images and label maps for the classes of a segmentor."""
        head: Any = model.decode_head
        head = head[-1] if isinstance(head, torch.nn.ModuleList) else head
        ignore_index = VOID if head.ignore_index is None else head.ignore_index
        return make_batch(workload, model.num_classes, ignore_index)


def make_batch(workload: Workload, num_classes: int, ignore_index: int = VOID) -> dict[str, list]:
    """A batch as a data loader gives it: uint8 images and samples with label maps, on the CPU.

    The objects are ellipses, each with a rim of void, on a ground of class 0; the later ones lie above.

    Raises:
        ValueError: If more classes are asked for than there are.
    """
    inputs, samples = [], []
    for scene in make_scenes(workload, num_classes):
        label_map = torch.zeros(workload.size, dtype=torch.long)
        whole = torch.from_numpy(draw_ellipses(scene.bboxes, workload.size)).bool()
        core = torch.from_numpy(draw_ellipses(scene.bboxes, workload.size, _CORE)).bool()
        for index, label in enumerate(scene.labels):
            label_map[whole[index]] = ignore_index
            label_map[core[index]] = label
        sample = SegDataSample(metainfo=scene.metainfo)
        sample.gt_sem_seg = PixelData(data=label_map[None])
        inputs.append(scene.image)
        samples.append(sample)
    return {'inputs': inputs, 'data_samples': samples}
