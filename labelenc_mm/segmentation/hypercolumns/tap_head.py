"""The base of decode heads on taps of a backbone: sizes by strides, targets, losses, prediction."""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import TASK_UTILS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from labelenc_mm.networks.hypercolumn import HypercolumnProjection
from labelenc_mm.segmentation.data.label_maps import size_without_padding
from labelenc_mm.segmentation.hypercolumns.pixel_targets import LABEL_MAPS, Targets


class TapHead(BaseDecodeHead):
    """A decode head that projects taps where they are and places them by their strides.

    So inputs need not be multiples of anything.

    Args:
        in_channels: Channels of each tap.
        strides: Pixels a cell of each tap.
        num_classes: Classes.
        widths: Channels of the hidden layers between projection and classifier; none if the projection
            classifies.
        hypercolumn_dropout: Dropout on the taps in training.
        tap_norm_cfg: Normalisation of each tap.
        targets: Config of a :class:`PixelTargets`.
        in_index: Which outputs of the backbone are the taps; by default all in their order.
        init_cfg: As in mmengine.
        **kwargs: Of mmseg's ``BaseDecodeHead``.

    Raises:
        ValueError: Arguments do not fit each other, or ``in_channels`` and ``strides`` are missing.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None,
        strides: Sequence[int] | None,
        *,
        num_classes: int,
        widths: Sequence[int] = (),
        hypercolumn_dropout: float = 0.0,
        tap_norm_cfg: dict | None = None,
        targets: dict = LABEL_MAPS,
        in_index: Sequence[int] | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        if in_channels is None or strides is None:
            raise ValueError(
                f'{type(self).__name__} has in_channels={in_channels} and strides={strides}: '
                "HypercolumnEncoderDecoder fills them in (with label structure 'LabelStructure"
                "HypercolumnEncoderDecoder'); for another type of model write the tap_channels and "
                'tap_strides of the backbone there'
            )
        super().__init__(
            list(in_channels),
            widths[-1] if widths else sum(in_channels),
            num_classes=num_classes,
            in_index=list(range(len(in_channels)) if in_index is None else in_index),
            input_transform='multiple_select',
            dropout_ratio=0,
            init_cfg=init_cfg or dict(type='Normal', layer='Conv2d', std=0.01),
            **kwargs,
        )
        if self.align_corners:
            raise ValueError('hypercolumns are placed by strides: align_corners must be False')
        self.targets = TASK_UTILS.build(targets, default_args=dict(ignore_index=self.ignore_index))
        self.projection = HypercolumnProjection(
            in_channels,
            strides,
            widths[0] if widths else self.out_channels,
            tap_norm_cfg,
            hypercolumn_dropout,
        )
        if not widths:
            del self.conv_seg

    def init_weights(self) -> None:
        """As mmengine; the bias of ``init_cfg`` for convolutions holds for the projection too."""
        super().init_weights()
        configs = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg]
        for config in configs:
            # The projection adds up convolutions and has one bias, a parameter of its own.
            if 'bias' in config and 'Conv2d' in config.get('layer', ()):
                nn.init.constant_(self.projection.bias, config['bias'])

    def loss(
        self, inputs: Sequence[Tensor], batch_data_samples: list[SegDataSample], train_cfg: dict
    ) -> dict[str, Tensor]:
        """The losses of ``loss_decode``, and what the targets have for the log.

        A loss is called as mmseg calls it, with (N, K, H, W) scores, targets, ``weight`` and
        ``ignore_index``; points are images of (P, 1) pixels.
        """
        maps = self.targets.read(batch_data_samples)
        whole = (maps.shape[-2], maps.shape[-1])
        sizes = [size_without_padding(sample, whole) for sample in batch_data_samples]
        scores, (values, weight) = self.score_targets(inputs, maps, sizes)
        if self.sampler is not None:  # one of mmseg's, which weighs pixels
            weight = self.sampler.sample(scores, values.unsqueeze(1))
        several = isinstance(self.loss_decode, nn.ModuleList)
        losses: dict[str, Tensor] = {}
        for loss in self.loss_decode if several else [self.loss_decode]:
            value = loss(scores, values, weight=weight, ignore_index=self.ignore_index)
            name = loss.loss_name
            losses[name] = losses[name] + value if name in losses else value
        return {**losses, **self.targets.metrics(scores, values)}

    def score_targets(
        self, inputs: Sequence[Tensor], maps: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> tuple[Tensor, Targets]:
        """Scores of a training pass and what they are compared with: here of all pixels.

        Args:
            inputs: Outputs of the backbone.
            maps: What ``targets.read`` gave.
            sizes: (height, width) of each image without its padding.
        """
        size = (maps.shape[-2], maps.shape[-1])
        return self.forward(inputs, size), self.targets.everywhere(maps)

    def forward(self, inputs: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
        """Scores at every pixel.

        Args:
            inputs: Outputs of the backbone.
            size: (H, W) of the images; by default what the finest tap covers.

        Returns:
            (N, out_channels, H, W).
        """
        features = self._transform_inputs(inputs)
        return self.score_pixels(features, size or self._covered_size(features))

    def score_pixels(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """(N, out_channels, H, W) scores from the taps; subclasses know how."""
        raise NotImplementedError

    def predict(
        self, inputs: Sequence[Tensor], batch_img_metas: list[dict], test_cfg: dict
    ) -> Tensor:
        """Scores at every pixel of the network's input: (N, out_channels, H, W)."""
        return self.forward(inputs, _input_size(batch_img_metas[0]))

    def _covered_size(self, features: Sequence[Tensor]) -> tuple[int, int]:
        """(H, W) that the finest tap covers."""
        strides = self.projection.strides
        index = strides.index(min(strides))
        height, width = features[index].shape[-2:]
        return height * strides[index], width * strides[index]


def _input_size(meta: dict) -> tuple[int, int]:
    """(H, W) of the network's input, found as mmseg's heads find it."""
    # Sliding windows leave the size of the window as a torch.Size.
    is_window = isinstance(meta['img_shape'], torch.Size)
    size = meta['img_shape'] if is_window else meta.get('pad_shape', meta['img_shape'])
    return int(size[0]), int(size[1])
