"""A detector of your own."""

from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.detectors import RetinaNet
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor, nn


@MODELS.register_module()
class CountingRetinaNet(RetinaNet):
    """RetinaNet that also learns how many objects an image holds.

    Args:
        kwargs: As for RetinaNet.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count_layer = nn.Linear(self.bbox_head.in_channels, 1)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Any]:
        """RetinaNet's losses and ``loss_count``, from one call of ``extract_feat``.

        Args:
            batch_inputs: (N, 3, H, W) images.
            batch_data_samples: N samples with ground truth.
        """
        features = self.extract_feat(batch_inputs)
        losses = self.bbox_head.loss(features, batch_data_samples)
        counts = self.count_layer(features[-1].mean(dim=(2, 3))).squeeze(1)
        numbers = [len(sample.gt_instances) for sample in batch_data_samples]
        losses['loss_count'] = 0.1 * F.smooth_l1_loss(
            counts, torch.tensor(numbers, device=counts.device, dtype=counts.dtype)
        )
        return losses
