"""Embedded data: shape scenes, drawn images with boxes, masks and label maps.

Every demonstration and test that must learn something runs on them; nothing is downloaded.
"""

from labelenc_mm.shape_scenes.scenes import CLASSES, PALETTE, Scene, ShapeScenes
from labelenc_mm.shape_scenes.writers import write_shape_scenes

__all__ = ['CLASSES', 'PALETTE', 'Scene', 'ShapeScenes', 'write_shape_scenes']
