"""Ground truth of validation samples: whether it is loaded, and in whose coordinates.

Object maps are drawn on the network input. The toolbox's own test pipelines load boxes after the resize, in
coordinates of the original image, for the metric's sake. The code of LabelEnc's authors has boxes that end
at their last pixel.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor
from torch.utils.data import Dataset

from labelenc_mm.engine.data.wrappers import iterate_datasets


def missing_annotations(samples: Sequence[DetDataSample], label_source: str) -> list[str]:
    """What object maps of ``label_source`` ('box' or 'mask') are drawn from and some sample lacks."""
    needed = ['bboxes', 'masks'] if label_source == 'mask' else ['bboxes']
    return [key for key in needed if any(key not in s.gt_instances for s in samples)]


def image_path(sample: DetDataSample) -> str:
    """Where a sample's image lies, for messages."""
    return sample.metainfo.get('img_path', '<no img_path>')


def objects_to_draw(
    sample: DetDataSample,
    size: tuple[int, int],
    device: torch.device | str,
    label_source: str = 'box',
    pixel_convention: str = 'exclusive',
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What an object map of ``size`` (H, W) is drawn from, see :class:`.LabelEncodingHead`.

    Returns:
        Boxes (N, 4), labels (N,) and, of ``label_source='mask'``, masks (N, H, W).

    Raises:
        ValueError: Of boxes that are not axis-aligned, or without masks that are needed; names the image.
    """
    instances = sample.gt_instances
    boxes = get_box_tensor(instances.bboxes).to(device)
    if boxes.shape[-1] != 4:
        raise ValueError(
            f'{image_path(sample)}: boxes have {boxes.shape[-1]} values; object maps need axis-aligned '
            '(x1, y1, x2, y2) boxes; rotated ones are not supported'
        )
    if pixel_convention == 'inclusive':
        boxes = inclusive_boxes(boxes, sample.metainfo)
    masks = None
    if label_source == 'mask':
        if 'masks' not in instances:
            raise ValueError(
                f"{image_path(sample)}: label_source='mask', but the sample has no masks. Load them with "
                "LoadAnnotations(with_mask=True) or set labelenc.label_source='box'"
            )
        masks = instances.masks
        if not isinstance(masks, Tensor):
            masks = masks.to_tensor(torch.bool, device)
        masks = masks[:, : size[0], : size[1]]
    return boxes, instances.labels.to(device), masks


def unpadded_size(sample: DetDataSample) -> tuple[int, int]:
    """(height, width) in the network input of an image that was only resized, without any padding."""
    width_factor, height_factor = sample.metainfo.get('scale_factor', (1.0, 1.0))
    # Not img_shape, which a Pad in the pipeline enlarges.
    return round(sample.ori_shape[0] * height_factor), round(sample.ori_shape[1] * width_factor)


def scaled_to_input(sample: DetDataSample) -> DetDataSample:
    """A copy whose ground truth, loaded after the resize, is in coordinates of the network input."""
    scaled = sample.new()
    instances = sample.gt_instances.new()
    bboxes = get_box_tensor(instances.bboxes)
    height, width = unpadded_size(sample)
    factor = bboxes.new_tensor([*sample.scale_factor, *sample.scale_factor])
    border = bboxes.new_tensor([width, height, width, height])
    # Clipped as Resize does: a box that leaves the image would have another centre on the object map.
    instances.bboxes = (bboxes * factor).clamp(min=0).minimum(border)
    if 'masks' in instances:
        instances.masks = instances.masks.resize((height, width))
    scaled.gt_instances = instances
    return scaled


def inclusive_boxes(bboxes: Tensor, metainfo: Mapping[str, Any]) -> Tensor:
    """The boxes that the authors' code has where MMDetection has ``bboxes``.

    Theirs end at the last pixel, x2 = x1 + width - 1, before images are scaled (factor s) and mirrored, so
    that they end s pixels of the network input earlier. A mirror exchanges the ends, and theirs maps pixel
    x to W - 1 - x: such a box begins s - 1 later and ends 1 earlier. A box that was clipped to the image
    ends at the image's last pixel (s pixels before W), as theirs do; one that is a pixel wide has no width
    left and is not drawn, as theirs are dropped.

    Args:
        bboxes: (N, 4) boxes (x1, y1, x2, y2) in the network input, which end behind their last pixel.
        metainfo: Of the sample. ``scale_factor`` (s of width and height), ``flip`` and ``flip_direction``
            count, as a resize and then a flip set them; absent ones mean neither.

    Returns:
        (N, 4) float32; pixel centres lie at whole numbers.
    """
    scales = [float(scale) for scale in metainfo.get('scale_factor', (1.0, 1.0))][:2]
    direction = metainfo.get('flip_direction') if metainfo.get('flip') else None
    flips = [direction in (one, 'diagonal') for one in ('horizontal', 'vertical')]
    pairs = list(zip(scales, flips, strict=True))
    begin = [scale - 1 if flip else 0.0 for scale, flip in pairs]
    end = [-1.0 if flip else -scale for scale, flip in pairs]
    return bboxes.float() + bboxes.new_tensor(begin + end).float()


def loads_boxes_after_resize(dataset: Dataset) -> bool:
    """Whether LoadAnnotations follows a resize, as in the toolbox's own test pipelines.

    The boxes are then in coordinates of the original image.
    """
    for part in iterate_datasets(dataset):
        # Mixtures of images hold a list of transforms, and other wrappers no pipeline.
        transforms = getattr(getattr(part, 'pipeline', None), 'transforms', [])
        names = [type(transform).__name__ for transform in transforms]
        loads = [index for index, name in enumerate(names) if 'LoadAnnotations' in name]
        resizes = [index for index, name in enumerate(names) if 'Resize' in name]
        if loads and resizes and resizes[0] < loads[0]:
            return True
    return False


def sampling_offset(pixel_convention: str, pixel_offset: float | None = None) -> float:
    """Where maps are sampled inside a pixel, see :class:`.LabelEncodingHead`.

    Raises:
        ValueError: Of an unknown convention, or of two options that exclude each other.
    """
    if pixel_convention not in ('exclusive', 'inclusive'):
        raise ValueError(
            f"labelenc.pixel_convention must be 'exclusive' or 'inclusive', got {pixel_convention!r}"
        )
    if pixel_convention == 'exclusive':
        return 0.5 if pixel_offset is None else float(pixel_offset)
    if pixel_offset:
        raise ValueError(
            f"labelenc.pixel_offset={pixel_offset} does not go with pixel_convention='inclusive', whose "
            'pixel centres lie at whole numbers; leave pixel_offset out'
        )
    return 0.0
