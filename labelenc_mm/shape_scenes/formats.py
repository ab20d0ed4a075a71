"""Scenes in the formats of the field: COCO annotations and VOC-style label PNGs."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from labelenc_mm.labels import VOID, VOID_COLOR
from labelenc_mm.shape_scenes.scenes import PALETTE, Scene


def to_coco(scene: Scene) -> list[dict[str, Any]]:
    """COCO annotations of a scene, without ``id`` and ``image_id``.

    Masks are uncompressed run lengths: exact, and read by pycocotools and by MMDetection's
    LoadAnnotations (with its default ``poly2mask=True``).
    """
    annotations = []
    for (x1, y1, x2, y2), label, mask in zip(
        scene.boxes.tolist(), scene.labels.tolist(), scene.masks, strict=True
    ):
        annotations.append(
            {
                'category_id': label + 1,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': int(mask.sum()),
                'segmentation': {'counts': run_lengths(mask), 'size': list(mask.shape)},
                'iscrowd': 0,
            }
        )
    return annotations


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO run lengths of a (H, W) bool mask: column by column, starting with a run of zeros."""
    flat = np.concatenate([[False], mask.ravel(order='F')])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    lengths: list[int] = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    return lengths


def add_void_contour(label_map: np.ndarray, masks: np.ndarray, width: int) -> np.ndarray:
    """Set a band along the outlines of objects to VOID, as VOC does.

    Args:
        label_map: (H, W) uint8.
        masks: (N, H, W) bool, disjoint.
        width: Width of the band in pixels, half of it on either side of an outline.

    Returns:
        (H, W) uint8, a new array.
    """
    instances = np.zeros(label_map.shape, np.uint16)
    for number, mask in enumerate(masks, start=1):
        instances[mask] = number
    # An even window (odd width) has its anchor right of its middle: one pixel more on one side.
    window = np.ones((width + 1, width + 1), np.uint8)
    differs = cv2.dilate(instances, window) != cv2.erode(instances, window)
    return np.where(differs, np.uint8(VOID), label_map)


def object_edges(masks: np.ndarray) -> np.ndarray:
    """Outlines of objects, one pixel wide.

    Args:
        masks: (N, H, W) bool, disjoint, from back to front.

    Returns:
        (H, W) bool: the pixels that have something further back, another object or none, above, below or
        beside them.
    """
    numbers = np.zeros(masks.shape[1:], np.int32)
    for number, mask in enumerate(masks, start=1):
        numbers[mask] = number
    around = np.pad(numbers, 1, mode='edge')
    furthest = np.minimum.reduce(
        [around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]]
    )
    return furthest < numbers


def write_label_png(path: Path, label_map: np.ndarray) -> None:
    """Write a (H, W) uint8 label map as a palette PNG, whose pixel values are the labels.

    Read it with Pillow (MMSegmentation's default); OpenCV would expand the palette to colours.
    """
    colors = [(0, 0, 0), *PALETTE]
    colors += [(0, 0, 0)] * (VOID - len(colors)) + [VOID_COLOR]
    picture = Image.fromarray(label_map)
    picture.putpalette([channel for color in colors for channel in color])
    picture.save(path)
