"""Sizes of blank images under the name by which the hand-over asks for them."""

from labelenc_mm.networks.blank_image import image_sizes

__all__ = ['image_sizes']
