"""Batches of photos of different sizes with their normals."""

from typing import Any

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS


@MODELS.register_module()
class NormalDataPreProcessor(SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor``, which pads ``gt_normals`` as it pads the photos.

    mmseg pads the fields that it knows. Padding is the zero vector: it has no normal.
    """

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Normalise, pad and stack."""
        batch = super().forward(data, training)
        for sample in (batch['data_samples'] or ()) if training else ():
            if 'gt_normals' in sample:
                padded = F.pad(sample.gt_normals.data, tuple(sample.padding_size))
                sample.set_data(dict(gt_normals=PixelData(data=padded)))
            # mmseg leaves it None without a field that it knows.
            sample.set_metainfo(dict(pad_shape=tuple(batch['inputs'].shape[-2:])))
        return batch
