"""The label autoencoder (Label structure, CVPR 2018, sec. 3.1): ground-truth map in, logits out."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.losses import accuracy
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.engine.companions import ModelWithCompanions
from labelenc_mm.engine.finite_losses import StopIfNotFiniteMixin
from labelenc_mm.handover.declaration import HandsOver, Leaves
from labelenc_mm.labels import VOID
from labelenc_mm.networks import LabelMapDecoder, LabelMapEncoder
from labelenc_mm.networks.label_map_coder import CHANNELS
from labelenc_mm.segmentation.data.label_maps import label_map_of_input, stack_label_maps
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead
from labelenc_mm.segmentation.label_structure.label_code import (
    LABEL_AUTOENCODER,
    describe_autoencoder,
)

# The networks themselves know no toolbox.
for _network in (LabelMapEncoder, LabelMapDecoder):
    MODELS.register_module(module=_network)

_OWNER = 'model'


@MODELS.register_module()
class LabelAutoEncoder(HandsOver, ModelWithCompanions, StopIfNotFiniteMixin, BaseSegmentor):
    """Reconstruct label maps from a small code.

    It is a segmentor whose input is the ground truth of its samples, so that every metric of mmseg
    measures the reconstruction. Images are ignored; :class:`LabelStructureHook` keeps them from being
    decoded at all. A config inherits that of the segmentor which the autoencoder will serve, so that both
    see the same labels, cropped, scaled and flipped alike, and replaces the model::

        _base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-20k_voc12aug-512x512.py'
        model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=21)

    Args:
        num_classes: Number of classes K, at least 2.
        channels: Output channels of the encoder's convolutions (sec. 3.1): the paper's variant "32" is
            ``(32,) * 5``, "128" the default, "256" ``(32, 128, 128, 128, 256)``. The last one is the
            code.
        pool_last: Whether a pooling follows the last convolution as well: a code of stride 32 instead
            of 16. The paper says "between".
        upsample_mode: 'bilinear' or 'nearest'; the paper does not say.
        loss_decode: Config of the loss between (N, K, H, W) logits and labels; by default cross entropy
            averaged over labelled pixels.
        ignore_index: Label of void pixels: zero in the input, no part of the loss.
        data_preprocessor: By default pads the maps of a batch to the largest, with void; so does one
            that says neither ``size`` nor ``size_divisor``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)``: what to start from. Other kinds give way to the
            networks' own initialisation.
    """

    companions = FrozenLabelHead.companions
    own_prefixes = ('encoder.', 'decoder.')
    not_exported = 'a label autoencoder is no stock segmentor'

    def __init__(
        self,
        num_classes: int,
        channels: Sequence[int] = CHANNELS,
        pool_last: bool = False,
        upsample_mode: str = 'bilinear',
        loss_decode: dict[str, Any] | None = None,
        ignore_index: int = VOID,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list | None = None,
    ) -> None:
        data_preprocessor = dict(
            data_preprocessor or dict(type='SegDataPreProcessor', seg_pad_val=ignore_index)
        )
        # mmengine hands over that of the config, to which mmseg's base configs give no size.
        if data_preprocessor.get('size') is data_preprocessor.get('size_divisor') is None:
            data_preprocessor['size_divisor'] = 1
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.encoder = LabelMapEncoder(num_classes, channels, pool_last, ignore_index)
        self.decoder = LabelMapDecoder(num_classes, channels, pool_last, upsample_mode)
        self.loss_decode = MODELS.build(
            loss_decode or dict(type='CrossEntropyLoss', avg_non_ignore=True)
        )
        self.ignore_index = ignore_index
        # As every segmentor of mmseg tells them.
        self.num_classes = self.out_channels = num_classes
        self.align_corners = False

    def leaves(self, metainfo: Mapping[str, Any]) -> Leaves:
        """Both halves, for segmentors."""
        return Leaves(LABEL_AUTOENCODER, describe_autoencoder(self, metainfo))

    def extract_feat(self, label_maps: Tensor) -> Tensor:
        """Encode (N, H, W) label maps into the (N, C, h, w) code."""
        return self.encoder(label_maps)

    def encode_decode(self, label_maps: Tensor, batch_data_samples: Any = None) -> Tensor:
        """Reconstruct (N, H, W) label maps: (N, K, H, W) logits."""
        return self.decoder(self.extract_feat(label_maps), label_maps.shape[-2:])

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """The loss of the reconstruction, and its pixel accuracy in percent (``acc_seg``).

        Args:
            inputs: Ignored.
            data_samples: N samples with ``gt_sem_seg``.
        """
        label_maps = self._label_maps(data_samples)
        logits = self.encode_decode(label_maps).float()
        loss = self.loss_decode(logits, label_maps, ignore_index=self.ignore_index)
        return {
            self.loss_decode.loss_name: loss,
            'acc_seg': accuracy(logits, label_maps, ignore_index=self.ignore_index),
        }

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Reconstruct the ground truth.

        As a segmentor works on resized images and is measured on label maps of the original size,
        maps are encoded at the size of the network input (``img_shape``, nearest neighbour) and the
        logits are resized to the maps (bilinear).

        Args:
            inputs: Ignored.
            data_samples: N samples with ``gt_sem_seg``.

        Returns:
            The samples with ``pred_sem_seg`` and ``seg_logits`` of the size of their map.
        """
        if data_samples is None:
            raise ValueError('LabelAutoEncoder predicts from the ground truth and got no samples')
        for sample in data_samples:
            label_map = label_map_of_input(sample, self.num_classes, self.ignore_index, _OWNER)
            logits = self.encode_decode(label_map).float()
            size = tuple(sample.gt_sem_seg.shape[-2:])
            if tuple(logits.shape[-2:]) != size:
                logits = F.interpolate(logits, size, mode='bilinear', align_corners=False)
            sample.seg_logits = PixelData(data=logits[0])
            sample.pred_sem_seg = PixelData(data=logits.argmax(1))
        return list(data_samples)

    def _forward(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> Tensor:
        """The (N, K, H, W) logits of the samples' ground truth."""
        if data_samples is None:
            raise ValueError('LabelAutoEncoder runs on the ground truth and got no samples')
        return self.encode_decode(self._label_maps(data_samples))

    def _label_maps(self, data_samples: Sequence[SegDataSample]) -> Tensor:
        return stack_label_maps(data_samples, self.num_classes, self.ignore_index, owner=_OWNER)
