"""Regions of label maps as the bottleneck of a label autoencoder sees them (CVPR 2018, sec. 4.2, Figure 7).

A region is one cell of the code: C features, and the square of pixels that the cell stands for. Its
features depend on a neighbourhood larger than that.

Shape legend: R regions, C channels of the code, s stride of the code.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

NOWHERE = -1
"""Label of pixels of a region that are void or lie outside of the map."""


@dataclass
class Regions:
    """Some cells of a code.

    Attributes:
        codes: (R, C) features.
        cells: (R, 2) int64 row and column of each cell.
        labels: (R, s, s) int16 labels of its pixels, :data:`NOWHERE` where there is none.
    """

    codes: Tensor
    cells: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: Tensor | slice) -> 'Regions':
        return Regions(self.codes[index], self.cells[index], self.labels[index])

    @staticmethod
    def cat(parts: 'list[Regions]') -> 'Regions':
        """All regions of several, in order."""
        return Regions(
            torch.cat([part.codes for part in parts]),
            torch.cat([part.cells for part in parts]),
            torch.cat([part.labels for part in parts]),
        )


def cut_regions(code: Tensor, label_map: Tensor, stride: int, ignore_index: int) -> Regions:
    """All regions of a map of which more than half of the pixels have a label.

    Cells of which as much is void, or lies outside of the map, are left out: what they contain is not
    known. Any two that are left have labelled pixels in common places.

    Args:
        code: (C, h, w).
        label_map: (H, W) integers; cell (i, j) begins at pixel (s i, s j).
        stride: s.
        ignore_index: Label of void pixels.
    """
    rows, columns = code.shape[-2:]
    height, width = label_map.shape
    if not (0 <= rows * stride - height < stride and 0 <= columns * stride - width < stride):
        raise ValueError(
            f'a code of {rows} x {columns} cells does not belong to a label map of {height} x {width} '
            f'pixels at stride {stride}'
        )
    labels = torch.where(label_map == ignore_index, NOWHERE, label_map).to(torch.int16)
    margins = (0, columns * stride - width, 0, rows * stride - height)
    labels = F.pad(labels, margins, value=NOWHERE)
    labels = labels.reshape(rows, stride, columns, stride).transpose(1, 2)
    is_labelled = (labels != NOWHERE).float().mean((2, 3)) > 0.5
    cells = is_labelled.nonzero()
    at = cells.unbind(1)
    return Regions(code.permute(1, 2, 0)[at], cells, labels[at])


def main_class(labels: Tensor) -> Tensor:
    """(R,) most common label of (R, s, s) labels; of equally common ones the lowest."""
    classes = torch.arange(int(labels.max()) + 1 if len(labels) else 1)
    counts = torch.stack([(labels == label).sum((1, 2)) for label in classes], 1)
    return counts.argmax(1)


def label_agreement(labels: Tensor, others: Tensor) -> Tensor:
    """Share of the pixels labelled in both of two regions that have the same label in both.

    Args:
        labels: (..., s, s).
        others: The same, or what broadcasts to it.

    Returns:
        (...) float32 in [0, 1], NaN without a common labelled pixel.
    """
    is_common = (labels != NOWHERE) & (others != NOWHERE)
    is_equal = is_common & (labels == others)
    return is_equal.sum((-2, -1)).float() / is_common.sum((-2, -1))
