"""Pictures of the object maps that the label encoder sees (LabelEnc, sec. 3.4).

Shape legend: N objects, K classes that are present, (H, W) size of an image in pixels.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from torch import Tensor

from labelenc_mm.analysis.pictures import spread_evenly
from labelenc_mm.detection.export import stock_config
from labelenc_mm.detection.ground_truth import (
    image_path,
    inclusive_boxes,
    loads_boxes_after_resize,
    missing_annotations,
    sampling_offset,
    unpadded_size,
)
from labelenc_mm.detection.introspection import count_classes, predicts_masks
from labelenc_mm.engine.data.samples import build_samples, names_by_label
from labelenc_mm.labels import draw_object_maps, sample_object_scales

_COLUMNS = 4
_PANEL_WIDTH = 3.2  # inches


@dataclass
class ObjectMapPicture:
    """A sample and its object maps.

    Attributes:
        index: Number of the sample.
        path: Of its image.
        image: (H, W, 3) BGR.
        boxes: (N, 4).
        labels: (N,).
        classes: (K,) present classes.
        maps: (K, H, W).
    """

    index: int
    path: str
    image: np.ndarray
    boxes: Tensor
    labels: Tensor
    classes: Tensor
    maps: Tensor


def make_pictures(
    config: Config, split: str, count: int, seed: int = 0, augment: bool = False
) -> tuple[tuple[str, ...], Iterator[ObjectMapPicture]]:
    """Names of the classes of a detector, and samples of its data, spread evenly, with object maps.

    Args:
        config: Of a detector, which need not be label-encoded; its ``default_scope`` is in force.
        split: 'train' or 'val'.
        count: Samples.
        seed: Of all augmentation.
        augment: Whether every object's values are scaled by its own factor, as in step 1.
    """
    dataset = build_samples(config, split)
    source, inclusive, options = drawing_options(config)
    names = names_by_label(dataset, options['num_classes'], split)
    unscaled = loads_boxes_after_resize(dataset)

    def draw(index: int) -> ObjectMapPicture:
        item = dataset[index]
        metainfo = item['data_samples'].metainfo
        path = metainfo.get('img_path', '<no img_path>')
        image, boxes, labels, masks = unpack(item, unscaled, source)
        scales = sample_object_scales(len(labels)) if augment else None
        drawn = inclusive_boxes(boxes, {} if unscaled else metainfo) if inclusive else boxes
        try:
            classes, maps = draw_object_maps(
                drawn, labels, image.shape[:2], masks=masks, scales=scales, **options
            )
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        return ObjectMapPicture(index, path, image, boxes, labels, classes, maps)

    def pictures() -> Iterator[ObjectMapPicture]:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  (what the toolbox's transforms draw from)
        torch.manual_seed(seed)
        yield from map(draw, spread_evenly(count, len(dataset)))

    return names, pictures()


def drawing_options(config: Config) -> tuple[str, bool, dict[str, Any]]:
    """What the config's detector draws, 'box' or 'mask', whether boxes are inclusive, and options."""
    if 'type' not in (config.get('model') or {}):
        raise ValueError('The config has no model, which decides what is drawn.')
    given = config.model.get('labelenc') or {}
    detector = MODELS.build(stock_config(config).model)
    source = given.get('label_source') or ('mask' if predicts_masks(detector) else 'box')
    options: dict[str, Any] = {'num_classes': count_classes(detector)}
    convention = given.get('pixel_convention', 'exclusive')
    options['pixel_offset'] = sampling_offset(convention, given.get('pixel_offset'))
    return source, convention == 'inclusive', options


def unpack(
    item: dict[str, Any], unscaled: bool, source: str
) -> tuple[np.ndarray, Tensor, Any, Any]:
    """Image (H, W, 3) BGR, boxes (N, 4), labels (N,) and, for 'mask', masks (N, H, W) of a sample.

    Args:
        item: What the pipeline gives: ``inputs`` and ``data_samples``.
        unscaled: Whether the pipeline loads boxes in coordinates of the original image, whose size the
            image then gets.
        source: 'box' or 'mask'.
    """
    sample = item['data_samples']
    path = image_path(sample)
    # Transforms of colours leave floats, which matplotlib would take for values in [0, 1].
    pixels = item['inputs'].permute(1, 2, 0).clamp(0, 255).to(torch.uint8)
    image = np.ascontiguousarray(pixels.numpy())
    if unscaled:
        if 'scale_factor' not in sample:
            raise ValueError(
                f'{path}: PackDetInputs keeps no scale_factor, without which the image '
                'cannot be told from its padding. Add it to meta_keys.'
            )
        (kept_height, kept_width), (height, width) = unpadded_size(sample), sample.ori_shape[:2]
        image = cv2.resize(image[:kept_height, :kept_width], (width, height))
    instances = sample.gt_instances
    missing = missing_annotations([sample], source)
    if missing:
        raise ValueError(
            f'{path}: the pipeline loads no {" and no ".join(missing)}. Add '
            'LoadAnnotations(with_bbox=True, with_mask=...) to it, choose the other --split, or have '
            'boxes drawn with --cfg-options model.labelenc.label_source=box.'
        )
    masks = instances.masks.to_tensor(torch.bool, 'cpu') if source == 'mask' else None
    return image, get_box_tensor(instances.bboxes), instances.labels, masks


def draw_picture(picture: ObjectMapPicture, names: Sequence[str]) -> Figure:
    """Image with boxes, and one panel per present class; ``names`` are those of all classes."""
    image, boxes, labels = picture.image, picture.boxes, picture.labels
    classes, maps = picture.classes, picture.maps
    rows = (len(classes) + 1 + _COLUMNS - 1) // _COLUMNS
    columns = min(len(classes) + 1, _COLUMNS)
    height = _PANEL_WIDTH * image.shape[0] / image.shape[1] + 0.3
    figure = Figure(figsize=(_PANEL_WIDTH * columns, height * rows), layout='constrained')
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.axis('off')
    # Edges of pixels at whole numbers, as in MMDetection's boxes.
    extent = (0, image.shape[1], image.shape[0], 0)
    panels[0].imshow(image[..., ::-1], extent=extent)
    panels[0].set_title(f'{len(boxes)} objects' if len(boxes) else 'no objects', fontsize=9)
    for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
        panels[0].add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor='yellow', linewidth=1)
        )
        name = panels[0].text(x1, y1, names[label], color='white', fontsize=6, va='bottom')
        name.set(clip_on=True, parse_math=False)  # a name may have dollar signs
    for panel, label, values in zip(panels[1:], classes.tolist(), maps.numpy(), strict=False):
        panel.imshow(values, extent=extent, vmin=0, vmax=1, cmap='inferno', interpolation='nearest')
        panel.set_title(names[label], fontsize=9, parse_math=False)
    return figure
