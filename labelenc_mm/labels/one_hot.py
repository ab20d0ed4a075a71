"""Semantic label maps as network input: one channel per class, void pixels zero in all of them.

Shape legend: N images, K classes, (H, W) size of the maps in pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

VOID = 255
"""Label of pixels that neither train nor count, in both toolboxes and in the PNGs of VOC."""
VOID_COLOR = (224, 224, 192)
"""What it looks like in pictures, as in the palette of VOC."""


def one_hot_label_maps(
    label_maps: Tensor,
    num_classes: int,
    ignore_index: int = VOID,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Expand label maps to one channel per class.

    Args:
        label_maps: (N, H, W) integers in [0, K) or ``ignore_index``.
        num_classes: K.
        ignore_index: Label of void pixels.
        dtype: Of the result.

    Returns:
        (N, K, H, W); 1 in the channel of a pixel's class, all zero where it is void.
    """
    is_valid = label_maps != ignore_index
    index = torch.where(is_valid, label_maps, 0).unsqueeze(1).long()
    size = (len(label_maps), num_classes, *label_maps.shape[1:])
    maps = torch.zeros(size, dtype=dtype, device=label_maps.device)
    return maps.scatter_(1, index, is_valid.unsqueeze(1).to(dtype))


def convolve_label_maps(
    label_maps: Tensor, weight: Tensor, bias: Tensor, ignore_index: int = VOID
) -> Tensor:
    """``F.conv2d(one_hot_label_maps(label_maps, K), weight, bias, padding=1)`` without the one-hot maps.

    Of the K channels of a pixel one is not zero: under each of the nine taps lies one row of the weights,
    which is looked up, and the nine are summed. Equal up to the rounding of another order of additions.
    Without gradients: those of the weights would be a scatter in which many pixels collide.

    Args:
        label_maps: (N, H, W) integers in [0, K) or ``ignore_index``.
        weight: (C, K, 3, 3).
        bias: (C,).
        ignore_index: Label of void pixels.

    Returns:
        (N, C, H, W), in the memory format channels_last.
    """
    channels, num_classes = weight.shape[:2]
    # A table (9 (K + 1), C): rows of a tap lie together, the last one, of void and border, is zero.
    rows = F.pad(weight.detach().permute(2, 3, 1, 0), (0, 0, 0, 1)).reshape(-1, channels)
    labels = torch.where(label_maps == ignore_index, num_classes, label_maps).int()
    windows = F.pad(labels, (1, 1, 1, 1), value=num_classes).unfold(1, 3, 1).unfold(2, 3, 1)
    taps = torch.arange(9, dtype=torch.int32, device=labels.device) * (num_classes + 1)
    sums = F.embedding_bag(windows.reshape(-1, 9) + taps, rows, mode='sum') + bias.detach()
    return sums.view(*label_maps.shape, channels).permute(0, 3, 1, 2)


def check_label_values(
    label_maps: Tensor,
    num_classes: int,
    ignore_index: int = VOID,
    names: Sequence[str] | None = None,
    owner: str = 'model',
) -> None:
    """Refuse labels that are no class, which a GPU would answer with an assertion far from here.

    Args:
        label_maps: (N, H, W) integers.
        num_classes: K; allowed are 0 to K - 1.
        ignore_index: Label of void pixels, allowed too.
        names: What to call each of the N maps, e.g. its file.
        owner: Where a config has ``num_classes`` and ``ignore_index``.

    Raises:
        ValueError: Naming the first map with a foreign value, these values, and the keys to set.
    """
    is_foreign = (label_maps < 0) | (label_maps >= num_classes)
    is_foreign &= label_maps != ignore_index
    if not bool(is_foreign.any()):
        return
    image = int(is_foreign.flatten(1).any(1).nonzero()[0])
    values = label_maps[image][is_foreign[image]].unique().tolist()
    shown = ', '.join(map(str, values[:10])) + (', …' if len(values) > 10 else '')
    if VOID in values:  # what transforms write for padding and for a zero label that is reduced
        remedy = f'{VOID} is void in the toolbox: set {owner}.ignore_index={VOID}'
    elif values == [num_classes]:
        remedy = (
            f'Set {owner}.num_classes={num_classes + 1} if 0 is a class, reduce_zero_label=True of the '
            f'data set if classes begin at 1, {owner}.ignore_index={num_classes} if it is void'
        )
    else:
        remedy = (
            f'Set {owner}.num_classes and metainfo.classes of the data set for all labels that are '
            f'classes, {owner}.ignore_index for the one that is void'
        )
    raise ValueError(
        f'{names[image] if names else f"label map {image}"} has labels {shown}, but there are '
        f'{num_classes} classes (0 to {num_classes - 1}; {ignore_index} is void). {remedy}'
    )
