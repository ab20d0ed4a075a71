"""Images that nobody looks at, for step 1 on the reconstruction loss alone (LabelEnc, Table 2)."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadBlankImage(BaseTransform):
    """Stands in for ``LoadImageFromFile``: a black image of the size that the annotations tell.

    No file is opened, so that step 1 with ``labelenc.joint=False`` runs where there are no images; the
    transforms that follow find all they need.

    Required keys: ``height`` and ``width``, whole numbers, also written as 640.0 or '640'. Added keys:
    ``img``, a (height, width, 3) uint8 array, ``img_shape`` and ``ori_shape``.
    """

    def transform(self, results: dict) -> dict:
        """Add the image.

        Raises:
            ValueError: If the annotations tell no size.
        """
        found: tuple[Any, Any] = results.get('height'), results.get('width')
        try:
            size = tuple(int(float(side)) for side in found)
            is_whole = all(
                side == float(given) > 0 for side, given in zip(size, found, strict=True)
            )
        except (TypeError, ValueError, OverflowError):
            is_whole = False
        if not is_whole:
            raise ValueError(
                f'{results.get("img_path", "<no img_path>")}: the annotations give height and width '
                f'{found}, from which LoadBlankImage makes an image. Write them into the annotations as '
                'whole numbers, or use LoadImageFromFile'
            )
        results['img'] = np.zeros((*size, 3), np.uint8)
        results['img_shape'] = results['ori_shape'] = size
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
