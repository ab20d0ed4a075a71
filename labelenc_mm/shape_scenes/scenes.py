"""Shape scenes: an endless, seeded data set of drawn scenes with boxes, masks and label maps.

Made for demonstrations and tests that must learn something real within minutes and without a
download. Labels have structure: classes are families of outlines built from parts, they occur
together and in their places, they hide one another, and only their shape carries over from train to
val (:mod:`labelenc_mm.shape_scenes.materials`).
"""

from dataclasses import dataclass

import numpy as np

from labelenc_mm.shape_scenes.layouts import CLUTTER, SCENE_TYPES, sample_bands, sample_placements
from labelenc_mm.shape_scenes.materials import SPLITS, texture_bank
from labelenc_mm.shape_scenes.outlines import OUTLINES
from labelenc_mm.shape_scenes.relief import scene_normals, shade
from labelenc_mm.shape_scenes.rendering import paint, pose_sprite, select_visible

CLASSES = tuple(OUTLINES)
"""Names of the object classes; the position is the class id of boxes, plus 1 that of label maps."""

PALETTE = [
    (220, 60, 50),
    (60, 160, 60),
    (240, 170, 120),
    (70, 90, 220),
    (150, 80, 30),
    (240, 220, 60),
    (240, 120, 200),
    (120, 200, 220),
]
"""One (R, G, B) colour per class."""

VERSION = 1
"""Version of the pictures: scenes of one version, size, split, seed and index are equal."""

_MIN_SIDE = 32


@dataclass(frozen=True)
class Scene:
    """One image with everything that is known about it. N objects, from back to front.

    Attributes:
        image: (H, W, 3) uint8, **BGR** as OpenCV and mmcv read images.
        label_map: (H, W) uint8; 0 background, class id + 1 elsewhere.
        boxes: (N, 4) float32 (x1, y1, x2, y2), the tight extent of what is visible.
        labels: (N,) int64 class ids in [0, len(CLASSES)).
        masks: (N, H, W) bool, the visible pixels; masks of one image are disjoint.
        scene_type: 'street', 'park', 'shore' or 'lake'.
        normals: (H, W, 3) float32 unit vectors, x right, y up, z to the viewer; None without relief.
    """

    image: np.ndarray
    label_map: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    scene_type: str
    normals: np.ndarray | None = None


class ShapeScenes:
    """Scenes by index; any index >= 0 exists, and none depends on the others.

    Args:
        size: (H, W) in pixels, each at least 32.
        split: 'train' or 'val': same shapes, other colours and textures.
        seed: Seed of the data set.
        relief: Whether things are domes under a light, with normals; all else is the same.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        size: tuple[int, int] = (128, 128),
        split: str = 'train',
        seed: int = 0,
        relief: bool = False,
    ) -> None:
        height, width = (int(side) for side in size)
        if min(height, width) < _MIN_SIDE:
            raise ValueError(f'size must be (H, W) with sides of at least {_MIN_SIDE}, got {size}')
        if split not in SPLITS:
            raise ValueError(f'split must be one of {SPLITS}, got {split!r}')
        if seed < 0:
            raise ValueError(f'seed must not be negative, got {seed}')
        self.size = (height, width)
        self.split = split
        self.seed = int(seed)
        self.relief = relief

    def __getitem__(self, index: int) -> Scene:
        """Draw the scene of an index >= 0 (IndexError below)."""
        if index < 0:
            raise IndexError(f'index must not be negative, got {index}')
        rng = np.random.default_rng([self.seed, SPLITS.index(self.split), int(index)])
        scene_type = str(rng.choice(list(SCENE_TYPES)))
        bands = sample_bands(scene_type, rng)
        placements = sample_placements(scene_type, bands, self.size, rng)
        posed = (pose_sprite(placement, self.size, rng) for placement in placements)
        sprites, visible = select_visible([sprite for sprite in posed if sprite], self.size)
        bank = texture_bank(self.split, self.seed)
        image = paint(self.size, bands, sprites, bank, self.split, rng)
        normals = None
        if self.relief:
            normals = scene_normals(self.size, sprites, visible)
            image = shade(image, normals)

        objects = [(s, v) for s, v in zip(sprites, visible, strict=True) if s.label != CLUTTER]
        labels = np.array([sprite.label for sprite, _ in objects], np.int64)
        masks = np.zeros((len(objects), *self.size), bool)
        boxes = np.zeros((len(objects), 4), np.float32)
        label_map = np.zeros(self.size, np.uint8)
        for i, (sprite, mask) in enumerate(objects):
            left, top, right, bottom = sprite.window
            masks[i, top:bottom, left:right] = mask
            label_map[top:bottom, left:right][mask] = sprite.label + 1
            columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
            boxes[i] = (
                left + columns[0],
                top + rows[0],
                left + columns[-1] + 1,
                top + rows[-1] + 1,
            )
        return Scene(image, label_map, boxes, labels, masks, scene_type, normals)
