"""Images that are read in another orientation than the one that their annotations have.

OpenCV and with it the toolboxes turn an image as its EXIF data say; whoever annotated it may have seen it
unturned.
"""

import logging
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.logging import print_log


class TurnedImageWarning:
    """Says once in a run that the size of an image is that of its annotations with the sides exchanged."""

    def __init__(self) -> None:
        # Shared with the workers of dataloaders, so that the first of them alone says it.
        self._is_told = torch.tensor(not is_main_process()).share_memory_()

    def look(self, results: dict[str, Any]) -> None:
        """Look at what a pipeline has of a sample once its image is loaded."""
        if bool(self._is_told):
            return
        height, width = results['ori_shape'][:2]
        annotated = _number(results.get('height')), _number(results.get('width'))
        if height == width or annotated != (width, height):
            return
        self._is_told.fill_(True)
        print_log(
            f'{results.get("img_path")}: as it was read, the image is {width} pixels wide and {height} '
            f'high; its annotations say {height} and {width}. Its EXIF orientation has probably turned it, '
            'and its boxes may be those of the other orientation: look at them with '
            'tools/browse_object_maps.py. If they are, LoadImageFromFile('
            "color_type='color_ignore_orientation') reads images unturned. This is said once; there may be "
            'more such images',
            'current',
            logging.WARNING,
        )


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
