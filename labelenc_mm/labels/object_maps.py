"""Object maps: what the label encoding function of LabelEnc sees (ECCV 2020, sec. 3.4).

Each object fills its box in the channel of its class with values that decay linearly from 1 at the
centre to 0.5 on the border; where objects of one class overlap, the larger value stays.

Shape legend: N objects, K classes that are present, (H, W) size of the network input in pixels.

Only present classes are drawn, and each object only inside the window of its box. The value
``1 - max(|x - cx| / w, |y - cy| / h)`` is the minimum of two one-dimensional ramps, so an object
costs two short vectors and one broadcast minimum over its window. All host-side decisions come from
one copy of boxes and labels; nothing waits for the device per object.
"""

import math
from typing import Any

import torch
from torch import Tensor

OBJECT_MAP_VERSION = 1
"""Version of the drawing rule; stored beside a trained encoder, which only fits maps drawn alike."""

_BORDER_VALUE = 0.5  # LabelEnc, sec. 3.4: 'from 1 at the object center to 0.5 in the box boundary'


def draw_object_maps(
    bboxes: Tensor,
    labels: Tensor,
    size: tuple[int, int],
    *,
    masks: Tensor | None = None,
    scales: Tensor | None = None,
    pixel_offset: float = 0.5,
    num_classes: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw one image's objects into one map per present class.

    Objects that cannot be drawn (zero or negative width or height, a coordinate that is not finite,
    a box outside the image) are left out and do not make their class present.

    Args:
        bboxes: (N, 4) boxes (x1, y1, x2, y2) in pixels of the network input, floating point.
        labels: (N,) class ids, integers.
        size: (H, W) of the maps: the size of the padded batch, not of the image alone.
        masks: (N, h, w) binary instance masks, h <= H and w <= W, aligned at the top left corner. The
            ramp of the box is multiplied with the mask (the mask variant of the released code).
        scales: (N,) factors on the values of each object, see :func:`sample_object_scales`.
        pixel_offset: position of a sample inside its pixel. 0.5 fits MMDetection's boxes, whose pixel
            centres lie at halves and which end behind their last pixel. 0 with boxes that end *at* their
            last pixel, x2 = x1 + width - 1, is the released drawing, bit for bit.
        num_classes: Number of classes of the data set; given, labels outside are an error.

    Returns:
        ``classes`` (K,) int64, sorted, and ``maps`` (K, H, W) float32 in [0, 1], both on the device
        of ``bboxes``. K = 0 without drawable objects.

    Raises:
        ValueError: If the shapes of the arguments do not fit together, or a label is out of range.
    """
    height, width = int(size[0]), int(size[1])
    num_objects = len(bboxes)
    _check_shapes(bboxes, labels, (height, width), masks, scales)
    device = bboxes.device
    boxes = bboxes.detach().to(torch.float32).reshape(num_objects, 4)
    # The one host copy of this function. float32 holds the boxes, and labels up to 2^24, exactly.
    host = torch.cat([boxes, labels.detach().reshape(-1, 1).float()], dim=1).tolist()
    drawable: list[tuple[int, int, tuple[int, int, int, int]]] = []
    for index, (x1, y1, x2, y2, label) in enumerate(host):
        if num_classes is not None and not 0 <= label < num_classes:
            raise ValueError(
                f'object {index} has label {label:.0f}, but there are {num_classes} classes (0 to '
                f'{num_classes - 1}). Set num_classes of the model (model.bbox_head.num_classes, of two '
                'stages model.roi_head.bbox_head.num_classes and mask_head.num_classes) and '
                'metainfo.classes of the data set for the same classes'
            )
        window = _window(x1, y1, x2, y2, height, width)
        if window is not None:
            drawable.append((index, int(label), window))

    present = sorted({label for _, label, _ in drawable})
    classes = torch.tensor(present, dtype=torch.int64, device=device)
    maps = torch.zeros(len(present), height, width, dtype=torch.float32, device=device)
    if not drawable:
        return classes, maps

    ramps_x = _ramps(boxes[:, 0], boxes[:, 2], width, pixel_offset)
    ramps_y = _ramps(boxes[:, 1], boxes[:, 3], height, pixel_offset)
    if scales is not None:
        factors = scales.detach().to(device=device, dtype=torch.float32).reshape(-1, 1)
        # s * min(a, b) = min(s * a, s * b) for s >= 0, also in floating point.
        ramps_x, ramps_y = ramps_x * factors, ramps_y * factors
    channel_of = {label: channel for channel, label in enumerate(present)}
    for index, label, (top, bottom, left, right) in drawable:
        if masks is not None:
            bottom, right = min(bottom, masks.shape[1]), min(right, masks.shape[2])
        values = torch.minimum(
            ramps_y[index, top:bottom].unsqueeze(1), ramps_x[index, left:right].unsqueeze(0)
        )
        if masks is not None:
            values = values * masks[index, top:bottom, left:right].to(device, torch.bool)
        window_of_map = maps[channel_of[label], top:bottom, left:right]
        torch.maximum(window_of_map, values, out=window_of_map)
    return classes, maps


def sample_object_scales(
    num_objects: int,
    *,
    device: torch.device | str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw the value augmentation of step 1: one factor min(1, 2U), U ~ U(0, 1), per object.

    Half of the objects keep their values and the others are scaled by a number that is uniform in
    (0, 1) (LabelEnc, sec. 3.4; the released code multiplies values, never the box).

    Returns:
        (num_objects,) float32 factors in [0, 1].
    """
    # Named only if given: torch.compile takes no generator, not even None.
    options: dict[str, Any] = {} if generator is None else {'generator': generator}
    uniform = torch.rand(num_objects, device=device, **options)
    return (2 * uniform).clamp(max=1)


def _ramps(low: Tensor, high: Tensor, length: int, pixel_offset: float) -> Tensor:
    """(N, length) ramps of one axis, zero outside the boxes; N boxes from ``low`` to ``high``."""
    positions = torch.arange(length, dtype=torch.float32, device=low.device) + pixel_offset
    extent = (high - low).unsqueeze(1)
    centre = ((low + high) / 2).unsqueeze(1)
    ramps = 1 - (positions - centre).abs() / extent
    # Not a multiplication: the rows of boxes that are left out hold NaN.
    return torch.where(ramps >= _BORDER_VALUE, ramps, torch.zeros_like(ramps))


def _window(
    x1: float, y1: float, x2: float, y2: float, height: int, width: int
) -> tuple[int, int, int, int] | None:
    """Rows and columns (top, bottom, left, right) that hold the box, or None if nothing is drawn.

    One pixel wider than the box on each side: independent of the pixel offset and of rounding, at
    the price of a few zeros.
    """
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        return None
    left, right = max(math.floor(x1) - 1, 0), min(math.ceil(x2) + 2, width)
    top, bottom = max(math.floor(y1) - 1, 0), min(math.ceil(y2) + 2, height)
    if left >= right or top >= bottom or x2 < 0 or y2 < 0 or x1 > width or y1 > height:
        return None
    return top, bottom, left, right


def _check_shapes(
    bboxes: Tensor,
    labels: Tensor,
    size: tuple[int, int],
    masks: Tensor | None,
    scales: Tensor | None,
) -> None:
    num_objects = len(bboxes)
    if bboxes.numel() != 4 * num_objects:
        raise ValueError(f'bboxes must have shape (N, 4), got {tuple(bboxes.shape)}')
    if labels.shape != (num_objects,):
        raise ValueError(
            f'labels must have shape ({num_objects},) like bboxes, got {tuple(labels.shape)}'
        )
    if scales is not None and scales.shape != (num_objects,):
        raise ValueError(f'scales must have shape ({num_objects},), got {tuple(scales.shape)}')
    if masks is not None and (
        masks.dim() != 3
        or len(masks) != num_objects
        or masks.shape[1] > size[0]
        or masks.shape[2] > size[1]
    ):
        raise ValueError(
            f'masks must have shape ({num_objects}, h, w) with h <= {size[0]} and w <= {size[1]}, '
            f'got {tuple(masks.shape)}'
        )
