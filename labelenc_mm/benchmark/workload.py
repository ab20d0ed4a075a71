"""Synthetic batches of fixed content: nothing is read from disk."""

from dataclasses import dataclass

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import Tensor


@dataclass(frozen=True)
class Workload:
    """What a batch holds.

    Attributes:
        size: (H, W) in pixels, the same for all images.
        batch_size: Images.
        num_objects: Objects of each image.
        num_present: Classes that each image's objects belong to.
        seed: Of pixels and boxes.
    """

    size: tuple[int, int] = (800, 1344)
    batch_size: int = 1
    num_objects: int = 7  # COCO's mean per image is 7.3, of 2.9 classes
    num_present: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(*self.size, self.batch_size) < 1 or self.num_objects < 0:
            raise ValueError(f'size and batch size must be positive, got {self}')
        if self.num_objects and not 1 <= self.num_present <= self.num_objects:
            raise ValueError(
                f'{self.num_objects} objects cannot be of {self.num_present} classes; give 1 to '
                f'{self.num_objects}'
            )


def make_batch(workload: Workload, num_classes: int, with_mask: bool) -> dict[str, list]:
    """A batch as a data loader gives it: uint8 images and samples with ground truth, on the CPU.

    Boxes have sides of 1/16 to 1/2 of the image's and the masks are the ellipses inside them; the
    classes lie evenly between the first and the last.

    Raises:
        ValueError: If more classes are asked for than there are.
    """
    if workload.num_present > num_classes:
        raise ValueError(f'{workload.num_present} classes asked for, the model has {num_classes}')
    generator = torch.Generator().manual_seed(workload.seed)
    height, width = workload.size
    present = torch.linspace(0, num_classes - 1, workload.num_present).round().long()
    inputs, samples = [], []
    for index in range(workload.batch_size):
        image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
        shares = torch.rand(workload.num_objects, 4, generator=generator)
        sides = 2 ** (3 * shares[:, 2:] - 4) * torch.tensor([width, height])
        corners = shares[:, :2] * (torch.tensor([width, height]) - sides)
        instances = InstanceData(
            bboxes=torch.cat([corners, corners + sides], dim=1),
            labels=present[torch.arange(workload.num_objects) % workload.num_present],
        )
        if with_mask:
            instances.masks = _ellipses(instances.bboxes, workload.size)
        sample = DetDataSample(
            metainfo=dict(
                img_id=index,
                img_path=f'synthetic image {index}',
                img_shape=workload.size,
                ori_shape=workload.size,
                scale_factor=(1.0, 1.0),
                flip=False,
            )
        )
        sample.gt_instances = instances
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        inputs.append(image)
        samples.append(sample)
    return {'inputs': inputs, 'data_samples': samples}


def _ellipses(bboxes: Tensor, size: tuple[int, int]) -> BitmapMasks:
    y, x = np.ogrid[: size[0], : size[1]]
    masks = [
        ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= 1
        for x1, y1, x2, y2 in bboxes.numpy()
    ]
    return BitmapMasks(np.array(masks, np.uint8).reshape(-1, *size), *size)
