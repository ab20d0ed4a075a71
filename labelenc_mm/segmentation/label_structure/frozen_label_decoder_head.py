"""Supervision through the frozen decoder of a label autoencoder (Label structure, CVPR 2018, sec. 3.3)."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmseg.models.losses import accuracy
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.labels import VOID
from labelenc_mm.networks.label_map_coder import CHANNELS
from labelenc_mm.segmentation.label_structure.frozen_label_head import FrozenLabelHead

# The paper's weight for all runs with the 128-channel decoder (sec. 4.2).
LOSS = dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.5)


@MODELS.register_module()
class FrozenLabelDecoderHead(FrozenLabelHead):
    """Predict the labels through the decoder: 1x1 convolution to the code -> decoder -> loss.

    Gradients pass the decoder and reach the feature; the decoder's weights stay as they are.

    Args:
        num_classes: Number of classes K, filled in below ``label_structure``.
        in_channels: Channels of the feature, filled in below ``label_structure``.
        in_index: As an auxiliary head: which of the features that it is given it reads.
        channels: Channels of the autoencoder, in the encoder's order (sec. 3.1).
        pool_last: That of the autoencoder (stride 32).
        upsample_mode: That of the autoencoder.
        init_from: ``label_autoencoder.safetensors`` of the autoencoder (sec. 3.3); our ``--resume``
            does without.
        freeze: False trains the decoder as well (Table 2, 'unfrozen').
        random_init: True starts the decoder from random weights (Table 2, 'random init').
        loss_decode: Config of the loss between (N, K, H, W) logits and labels (sec. 4.1 and 4.2). By
            default cross entropy over labelled pixels of weight 0.5; the paper's second form is
            ``dict(type='OneHotMSELoss', loss_weight=...)``.
        ignore_index: Label of void pixels; below ``label_structure`` filled in from the decode head.
    """

    part = 'decoder'

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        in_index: int = -1,
        channels: Sequence[int] = CHANNELS,
        pool_last: bool = False,
        upsample_mode: str = 'bilinear',
        init_from: str | None = None,
        freeze: bool = True,
        random_init: bool = False,
        loss_decode: dict[str, Any] | None = None,
        ignore_index: int = VOID,
    ) -> None:
        decoder = MODELS.build(
            dict(
                type='LabelMapDecoder',
                num_classes=num_classes,
                channels=channels,
                pool_last=pool_last,
                upsample_mode=upsample_mode,
            )
        )
        super().__init__(
            decoder, in_channels, in_index, init_from, freeze, random_init, ignore_index
        )
        if len(self.in_index) != 1:
            raise ValueError(
                f'FrozenLabelDecoderHead reads one feature, got {len(self.in_index)}: name one'
            )
        self.to_code = nn.Conv2d(self.in_channels[0], decoder.channels[-1], 1)
        self.loss_decode = MODELS.build(loss_decode or LOSS)

    def predict_code(self, inputs: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Predict the code of the label maps.

        Args:
            inputs: Features of the segmentor, each (N, c, h, w).
            size: (H, W) of the label maps.

        Returns:
            (N, C, ceil(H / s), ceil(W / s)): what the decoder of stride s decodes.
        """
        code = self.to_code(self.select(inputs)[0])
        code_size = self.decoder.code_size(size)
        if tuple(code.shape[-2:]) != code_size:
            self.log_resize(code.shape[-2:], code_size, 'a feature')
            code = F.interpolate(code, code_size, mode='bilinear', align_corners=False)
        return code

    def forward(self, inputs: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Predict through the decoder; arguments as in :meth:`predict_code`.

        Returns:
            (N, K, H, W) logits.
        """
        return self.decoder(self.predict_code(inputs, size), size)

    def loss_by_maps(self, inputs: Sequence[Tensor], label_maps: Tensor) -> dict[str, Tensor]:
        """The loss of the predictions, and their accuracy in percent (``acc_seg``).

        Args:
            inputs: Features of the segmentor, each (N, c, h, w).
            label_maps: (N, H, W) integers, checked.
        """
        self.check_is_learned()
        logits = self.forward(inputs, label_maps.shape[-2:]).float()
        loss = self.loss_decode(logits, label_maps, ignore_index=self.ignore_index)
        return {
            self.loss_decode.loss_name: loss,
            'acc_seg': accuracy(logits, label_maps, ignore_index=self.ignore_index),
        }
