"""Top patches: the parts of images at which the units of a layer respond most, in color.

Figures 2 and 5 of "Colorization as a Proxy Task for Visual Understanding" (Larsson et al., CVPR 2017): a
network may see gray images alone, and yet the colors of its patches tell whether a unit goes by a color.

Shape legend: N images, C units, h and w cells of a map, K patches a unit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

_GAP = 4  # pixels between the blocks of a sheet
_HEADING = 14


class TopPatches:
    """The K images on which each unit responds most, and where: one patch an image.

    Args:
        count: K.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f'{count} patches a unit: give at least 1')
        self.count = count
        self._images = 0
        self.values: Tensor | None = None
        """(C, K) the responses, falling; minus infinity where there are fewer images."""

    def add(self, maps: Tensor) -> None:
        """Add the (N, C, h, w) activations on the next N images."""
        n, channels, _, width = maps.shape
        values, cells = maps.flatten(2).max(2)
        if self.values is None:
            self.values = values.new_full((channels, self.count), -torch.inf)
            self.places = torch.zeros(channels, self.count, 3, dtype=torch.long, device=maps.device)
        numbers = torch.arange(self._images, self._images + n, device=maps.device)
        places = torch.stack(
            [numbers[:, None].expand_as(cells), cells // width, cells % width], dim=2
        )
        everything = torch.cat([self.values, values.T], 1)
        self.values, chosen = everything.topk(self.count, dim=1)
        candidates = torch.cat([self.places, places.transpose(0, 1)], 1)
        self.places = candidates.gather(1, chosen.unsqueeze(2).expand(-1, -1, 3))
        self._images += n

    def of_unit(self, unit: int) -> list[tuple[int, int, int]]:
        """(image, row, column) of the cells at which a unit responds most, and at all."""
        assert self.values is not None
        known = self.values[unit] > -torch.inf
        return [(int(i), int(y), int(x)) for i, y, x in self.places[unit][known].tolist()]


class Window(NamedTuple):
    """A square part of an image in pixels."""

    left: int
    top: int
    side: int


def window_around(cell: tuple[int, int], stride: float, side: int, size: tuple[int, int]) -> Window:
    """The window around the centre of a cell, moved so that it lies inside of the image.

    Args:
        cell: Row and column.
        stride: Pixels a cell.
        side: Of the window; at most that of the image.
        size: (H, W) of the image.
    """
    side = min(side, *size)
    top, left = (
        min(max(round((index + 0.5) * stride - side / 2), 0), length - side)
        for index, length in zip(cell, size, strict=True)
    )
    return Window(left, top, side)


def receptive_field(chain: nn.Module, layer: str) -> int:
    """Pixels along what a cell of a layer sees, of a network whose children run one after another."""
    field, step = 1, 1
    for name, child in chain.named_children():
        for module in child.modules():
            if isinstance(module, nn.Conv2d | nn.MaxPool2d):
                size, stride = (
                    value if isinstance(value, int) else value[0]
                    for value in (module.kernel_size, module.stride)
                )
                field += (size - 1) * step
                step *= stride
        if name == layer:
            return field
    raise ValueError(f'{type(chain).__name__} has no layer {layer!r}')


def draw_sheet(
    blocks: Sequence[Sequence[Sequence[np.ndarray]]], headings: Sequence[str], side: int = 64
) -> np.ndarray:
    """A sheet: a row of patches a unit, a block beside it for each state of the network.

    Args:
        blocks: Of each unit, of each state, (h, w, 3) BGR patches.
        headings: Of each unit.
        side: In pixels, of a patch on the sheet.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    columns = [max(len(states[i]) for states in blocks) for i in range(len(blocks[0]))]
    width = sum(columns) * side + (len(columns) - 1) * _GAP * 3
    rows = []
    for states, heading in zip(blocks, headings, strict=True):
        row = np.full((_HEADING + side + _GAP, width, 3), 255, np.uint8)
        cv2.putText(
            row, heading, (2, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA
        )
        left = 0
        for patches, number in zip(states, columns, strict=True):
            for index, patch in enumerate(patches):
                x = left + index * side
                row[_HEADING : _HEADING + side, x : x + side] = cv2.resize(patch, (side, side))
            left += number * side + 3 * _GAP
        rows.append(row)
    return np.concatenate(rows)
