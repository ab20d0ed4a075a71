"""Test-time augmentation for one logit: the mean of the edge probabilities over scales and flips."""

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample


@MODELS.register_module()
class EdgeTTAModel(SegTTAModel):
    """Averages probabilities (PixelNet, sec. 5.3: over scales).

    mmseg's ``SegTTAModel`` takes the sigmoid of what is a probability already, and keeps the mean for itself,
    which :class:`BoundaryMetric` reads.
    """

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Merge the predictions of all forms of each image into its first one."""
        merged = []
        for samples in data_samples_list:
            mean = torch.stack([sample.seg_logits.data for sample in samples]).mean(0)
            is_edge = (mean > self.module.decode_head.threshold).to(mean)
            samples[0].set_data(
                dict(seg_logits=PixelData(data=mean), pred_sem_seg=PixelData(data=is_edge))
            )
            merged.append(samples[0])
        return merged
