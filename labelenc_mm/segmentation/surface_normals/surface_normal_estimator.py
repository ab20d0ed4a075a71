"""A segmentor whose output is a direction at every pixel (PixelNet, arXiv 1609.06694, sec. 5.2)."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.segmentation.hypercolumns.hypercolumn_segmentor import HypercolumnEncoderDecoder
from labelenc_mm.segmentation.surface_normals.mirrored import MIRRORED


@MODELS.register_module()
class SurfaceNormalEstimator(HypercolumnEncoderDecoder):
    """Predicts unit vectors: x to the right, y up, z to the camera.

    The head gives three numbers a pixel; their direction is the prediction. Everything else is as in
    mmseg's ``EncoderDecoder``, whole and sliding inference included, where each window weighs the same.

    Args:
        kwargs: Of mmseg's ``EncoderDecoder``.

    Raises:
        ValueError: The head has not three outputs.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.out_channels != 3:
            raise ValueError(
                f'model.decode_head of SurfaceNormalEstimator has {self.out_channels} outputs, and a normal '
                'has 3: set num_classes=3'
            )

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """(N, 3, H, W) unit vectors in the size of the network's input."""
        return F.normalize(super().encode_decode(inputs, batch_img_metas), dim=1)

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Write ``pred_normals``, (3, H, W) unit vectors, into the samples.

        Padding is cut off, a flip undone, and the map brought to the size of the photo.

        Args:
            seg_logits: (N, 3, H, W) vectors.
            data_samples: As :meth:`predict` got them; None for new ones, of the vectors as they are.
        """
        is_new = data_samples is None
        samples = [SegDataSample() for _ in seg_logits] if data_samples is None else data_samples
        for sample, vectors in zip(samples, seg_logits, strict=True):
            normals = vectors if is_new else _as_photo(vectors, sample.metainfo)
            sample.set_data(dict(pred_normals=PixelData(data=F.normalize(normals, dim=0))))
        return samples


@MODELS.register_module()
class SurfaceNormalTTAModel(BaseTTAModel):
    """Test-time augmentation: the mean direction over flips and scales."""

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Merge the predictions of all forms of each photo into its first one."""
        for samples in data_samples_list:
            mean = torch.stack([sample.pred_normals.data for sample in samples]).mean(0)
            samples[0].set_data(dict(pred_normals=PixelData(data=F.normalize(mean, dim=0))))
        return [samples[0] for samples in data_samples_list]


def _as_photo(vectors: Tensor, meta: dict) -> Tensor:
    """(3, H, W) vectors of the network's input as those of the photo."""
    height, width = vectors.shape[-2:]
    padding: Sequence[int] = meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))
    left, right, top, bottom = padding
    vectors = vectors[:, top : height - bottom, left : width - right]
    if meta.get('flip'):
        direction = meta['flip_direction']
        axes = dict(horizontal=(2,), vertical=(1,), diagonal=(1, 2))[direction]
        vectors = vectors.flip(axes) * vectors.new_tensor(MIRRORED[direction]).view(3, 1, 1)
    size = tuple(map(int, meta['ori_shape'][:2]))
    return F.interpolate(vectors[None], size, mode='bilinear', align_corners=False)[0]
