"""Outlines of the object classes of shape scenes, each put together from parts.

Every call draws new proportions, and most classes come in several kinds (a gabled or a hipped
house, a sailing or a motor boat), so that a class is a family of outlines and never one template.
The material of a part says which colours it may take (:mod:`labelenc_mm.shape_scenes.materials`); parts
of one material look alike within one object.
"""

from collections.abc import Callable

from numpy.random import Generator

from labelenc_mm.shape_scenes.outlines.built import boat, car, house, lamp
from labelenc_mm.shape_scenes.outlines.living import bird, fish, person, tree
from labelenc_mm.shape_scenes.outlines.parts import Part

OUTLINES: dict[str, Callable[[Generator], list[Part]]] = {
    'house': house,
    'tree': tree,
    'person': person,
    'car': car,
    'boat': boat,
    'bird': bird,
    'fish': fish,
    'lamp': lamp,
}
"""Class name to the function that draws one of its outlines; the order is that of the class ids."""

__all__ = ['OUTLINES', 'Part']
