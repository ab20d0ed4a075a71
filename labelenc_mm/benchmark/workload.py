"""Synthetic images and objects of fixed content: nothing is read from disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
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


@dataclass(frozen=True)
class Scene:
    """One image and its objects.

    Attributes:
        image: (3, H, W) uint8.
        bboxes: (N, 4) corners in pixels.
        labels: (N,) classes.
        metainfo: As the toolboxes' pipelines leave it in a sample.
    """

    image: Tensor
    bboxes: Tensor
    labels: Tensor
    metainfo: dict[str, Any]


def make_scenes(workload: Workload, num_classes: int) -> Iterator[Scene]:
    """The images of a batch.

    Boxes have sides of 1/16 to 1/2 of the image's; the classes lie evenly between the first and the
    last.

    Raises:
        ValueError: If more classes are asked for than there are.
    """
    if workload.num_present > num_classes:
        raise ValueError(f'{workload.num_present} classes asked for, the model has {num_classes}')
    generator = torch.Generator().manual_seed(workload.seed)
    height, width = workload.size
    present = torch.linspace(0, num_classes - 1, workload.num_present).round().long()
    for index in range(workload.batch_size):
        image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
        shares = torch.rand(workload.num_objects, 4, generator=generator)
        sides = 2 ** (3 * shares[:, 2:] - 4) * torch.tensor([width, height])
        corners = shares[:, :2] * (torch.tensor([width, height]) - sides)
        yield Scene(
            image,
            torch.cat([corners, corners + sides], dim=1),
            present[torch.arange(workload.num_objects) % workload.num_present],
            dict(
                img_id=index,
                img_path=f'synthetic image {index}',
                img_shape=workload.size,
                ori_shape=workload.size,
                scale_factor=(1.0, 1.0),
                flip=False,
            ),
        )


def draw_ellipses(bboxes: Tensor, size: tuple[int, int], share: float = 1.0) -> np.ndarray:
    """The ellipses inside boxes, with axes of this share of the boxes' sides: (N, H, W) uint8."""
    y, x = np.ogrid[: size[0], : size[1]]
    masks = [
        ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= share**2
        for x1, y1, x2, y2 in bboxes.numpy()
    ]
    return np.array(masks, np.uint8).reshape(-1, *size)
