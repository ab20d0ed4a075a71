"""A segmentor's data pipeline without its images.

A label autoencoder needs label maps alone, cropped, scaled and flipped as those of the segmentor that
it will serve. mmseg's transforms want an image; they get a blank one of the label map's size, so that
nothing is decoded; of the image's own file only the header is read, for its size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadAnnotations, LoadImageFromFile
from mmseg.registry import TRANSFORMS

from labelenc_mm.segmentation.data.label_map_size import check_size_in_header

# Change the values of an image and nothing else.
_PHOTOMETRIC = ('PhotoMetricDistortion', 'CLAHE', 'Rerange', 'AdjustGamma')


@TRANSFORMS.register_module()
class BlankImageLikeLabelMap(BaseTransform):
    """Stands in for ``LoadImageFromFile``: a black image of the size of the sample's label map.

    The pipeline's own ``LoadAnnotations`` stays where it is, before or after a resize.

    Args:
        loader: What reads the label map: a transform, or its config. By default mmcv's
            ``LoadAnnotations`` as it is.
    """

    def __init__(self, loader: Any = None) -> None:
        loader = loader or dict(type='LoadAnnotations')
        self.loader = TRANSFORMS.build(loader) if isinstance(loader, dict) else loader

    def transform(self, results: dict) -> dict:
        """Set ``img``, (H, W, 3) uint8 zeros, and its shapes; the label map is not kept.

        Raises:
            ValueError: The file of the image, where there is one, says another size.
        """
        label_map = self.loader({**results, 'seg_fields': []})['gt_seg_map']
        check_size_in_header(results, label_map.shape[:2])
        results['img'] = np.zeros((*label_map.shape[:2], 3), np.uint8)
        results['img_shape'] = results['ori_shape'] = label_map.shape[:2]
        return results


def label_only(transforms: Sequence[Any]) -> list[Any]:
    """The same pipeline without images.

    Args:
        transforms: Transforms of a segmentor's pipeline, as built.

    Returns:
        A new list: the loader of images replaced, photometric transforms left out, the others as they
        were and in their order. A pipeline that loads no image is returned as it is.

    Raises:
        ValueError: The pipeline loads no label maps.
    """
    if not any(isinstance(transform, LoadImageFromFile) for transform in transforms):
        return list(transforms)
    loaders = [transform for transform in transforms if isinstance(transform, LoadAnnotations)]
    if not loaders:
        names = ', '.join(type(transform).__name__ for transform in transforms)
        raise ValueError(
            f'a label autoencoder learns from label maps, and this pipeline loads none: {names}. Add '
            'LoadAnnotations to it'
        )
    return [
        BlankImageLikeLabelMap(loaders[0])
        if isinstance(transform, LoadImageFromFile)
        else transform
        for transform in transforms
        if type(transform).__name__ not in _PHOTOMETRIC
    ]


def left_out(before: Sequence[Any], after: Sequence[Any]) -> set[str]:
    """Names of the photometric transforms that :func:`label_only` has left out of a pipeline."""
    names = {type(transform).__name__ for transform in before if transform not in after}
    return names & set(_PHOTOMETRIC)


def image_loaders(transforms: Sequence[Any]) -> set[str]:
    """Names of the transforms that load something else than label maps."""
    names = {type(transform).__name__ for transform in transforms}
    return {name for name in names if name.startswith('Load') and 'Annotation' not in name}
