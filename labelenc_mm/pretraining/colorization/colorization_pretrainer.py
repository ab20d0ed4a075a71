"""The model of colorization as pretraining (Larsson et al., CVPR 2017): gray photos in, their colors out."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from labelenc_mm.engine.companions import ModelWithCompanions
from labelenc_mm.engine.finite_losses import StopIfNotFiniteMixin
from labelenc_mm.handover.declaration import HandsOver, Leaves
from labelenc_mm.networks.blank_image import image_channels
from labelenc_mm.networks.point_drawing import DrawnPoints, without_border
from labelenc_mm.pretraining.colorization.color_heads import ColorHead
from labelenc_mm.pretraining.colorization.color_targets import OUTSIDE
from labelenc_mm.pretraining.inside_images import inside_images
from labelenc_mm.pretraining.photo_dataset import photo_facts
from labelenc_mm.pretraining.pretrained_segmentor import pretrained_segmentor
from labelenc_mm.segmentation.data.gray_images import check_gray, gray_input, to_rgb_levels
from labelenc_mm.segmentation.hypercolumns.hypercolumn_segmentor import HypercolumnEncoderDecoder

_LIGHTNESS = (114.45, 255.0)
"""Mean of gray photos (released code), and what brings them to [0, 1]."""


@MODELS.register_module()
class ColorizationPretrainer(
    HandsOver, ModelWithCompanions, StopIfNotFiniteMixin, HypercolumnEncoderDecoder
):
    """Pretrain a backbone on photos without labels, by colorization.

    Photos come in color. The backbone sees (R + G + B) / 3, as one channel, or, if its first convolution
    takes three, as three equal ones with the mean and deviation of the preprocessor. The head learns the
    color at points of the photos::

        model = dict(type='ColorizationPretrainer', backbone=dict(type='TappedVGG', in_channels=1, ...))

    The training leaves ``pretrained_segmentor.pth``, the backbone alone: heads are never handed over (sec.
    4.1). It goes into any segmentor with this backbone, by :class:`LoadPretrainedSegmentor` or as
    ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')`` of the backbone.

    Args:
        decode_head: Config of a :class:`ColorHistogramHead` (the default) or a :class:`ColorRegressionHead`.
        data_preprocessor: Config of a ``SegDataPreProcessor``; by default photos from 0 to 1, less their mean
            of 0.4488 (released code). One that says neither ``size`` nor ``size_divisor`` pads the photos of
            a batch to the largest; no point is drawn in padding.
        kwargs: Of the segmentor.

    Raises:
        ValueError: The head is no head of colors, or the preprocessor does not fit gray images.
    """

    companions = {
        'default_hooks': {
            'photos': {'type': 'mmseg.PhotoHook'},
            'reseed': {'type': 'mmengine.ReseedHook'},  # without, all ranks draw the same points
        }
    }
    own_prefixes = ('decode_head.',)

    def __init__(
        self,
        *,
        decode_head: dict | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        mean, std = ([value] * 3 for value in _LIGHTNESS)
        default = dict(type='SegDataPreProcessor', mean=mean, std=std, bgr_to_rgb=True)
        data_preprocessor = dict(data_preprocessor or default)
        # mmengine hands over that of the config, to which base configs give no size.
        if data_preprocessor.get('size') is data_preprocessor.get('size_divisor') is None:
            data_preprocessor['size_divisor'] = 1
        decode_head = dict(decode_head or {})
        decode_head.setdefault('type', 'ColorHistogramHead')
        super().__init__(decode_head=decode_head, data_preprocessor=data_preprocessor, **kwargs)
        if not isinstance(self.decode_head, ColorHead):
            raise ValueError(
                f'ColorizationPretrainer.decode_head is a {type(self.decode_head).__name__}, which learns no '
                'colors: take a ColorHistogramHead or a ColorRegressionHead'
            )
        self.channels = image_channels(self.backbone)
        check_gray(self.data_preprocessor, self.channels)
        _tell_affine(self.backbone)

    @property
    def not_exported(self) -> str:
        """There is no stock model behind it that predicts anything."""
        return 'a pretrainer predicts no classes; what it leaves is for a fine-tuning'

    def leaves(self, metainfo: Mapping[str, Any]) -> Leaves:
        """The backbone."""
        return Leaves(
            pretrained_segmentor(['decode_head', 'auxiliary_head']),
            {
                'method': 'colorization',
                'target': type(self.decode_head.targets).__name__,
                'encoder': ['backbone'],
                'parts': ['backbone'],
                'head': None,
                'channels': self.channels,
                **photo_facts(metainfo),
            },
        )

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """The loss of the colors that are predicted for a gray batch.

        Args:
            inputs: (N, 3, H, W) normalised photos in color, perhaps padded.
            data_samples: N samples, which tell by ``img_shape`` what is no padding.

        Returns:
            ``loss_color``, and what the targets have for the log.
        """
        features = self.extract_feat(self._gray(self._note_photos(inputs, data_samples)))
        return self.decode_head.loss(features, data_samples, self.train_cfg)

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: list[SegDataSample]) -> list[SegDataSample]:
        """Color whole photos.

        Args:
            inputs: (N, 3, H, W) normalised photos in color.
            data_samples: N samples with ``img_shape``.

        Returns:
            The samples with ``gray``, ``clean`` and ``colored``, each (3, h, w) RGB in gray levels from 0 to
            255; ``color_sums``, a dict of tensors from which :class:`ColorizationMetric` makes its means; and
            in their metainfo ``color_margin``, the pixels along the border of a photo that are not measured,
            for the sampler draws no points there either, so that nothing is learned of them.
        """
        levels = self._note_photos(inputs, data_samples)
        size = (inputs.shape[-2], inputs.shape[-1])
        scores = self.decode_head.forward(self.extract_feat(self._gray(levels)), size).float()
        targets = self.decode_head.targets
        maps = targets.read(data_samples)
        sizes = [tuple(sample.metainfo['img_shape'][:2]) for sample in data_samples]
        margins = [self._margin(each) for each in sizes]
        measured = without_border(targets.is_known(maps), margins, sizes)
        points = self._grid(measured)
        at_points = scores.flatten(2)[..., points.cells[0]].unsqueeze(-1)
        truth = targets.at_points(maps, points)
        gray = levels.mean(1)
        colored = targets.colors(scores, gray / 255) * 255
        for index, sample in enumerate(data_samples):
            height, width = sample.metainfo['img_shape'][:2]
            pictures = dict(gray=gray[:, None].expand(-1, 3, -1, -1), clean=levels, colored=colored)
            for name, images in pictures.items():
                picture = PixelData(data=images[index, :, :height, :width])
                sample.set_field(picture, name, dtype=PixelData)
            sums = targets.sums(*(each[index] for each in (at_points, *truth)))
            sample.set_field(sums, 'color_sums')
            sample.set_metainfo({'color_margin': margins[index]})
        return data_samples

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """What is predicted for (N, 3, H, W) photos."""
        levels = to_rgb_levels(inputs, self.data_preprocessor)
        return self.decode_head.forward(self.extract_feat(self._gray(levels)))

    def _note_photos(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> Tensor:
        """(N, 3, H, W) RGB in gray levels, of which samples get what is no padding, to learn from."""
        # They were whole numbers: equal channels stay equal, and no value leaves its bin.
        levels = to_rgb_levels(inputs, self.data_preprocessor).float().round()
        inside = inside_images(inputs, data_samples)
        photos = levels if inside is None else levels.masked_fill(~inside, OUTSIDE)
        field = self.decode_head.targets.field
        for sample, photo in zip(data_samples, photos, strict=True):
            sample.set_field(PixelData(data=photo), field, dtype=PixelData)
        return levels

    def _margin(self, size: tuple[int, int]) -> int:
        """Pixels along the border of a photo without points; 0 if they leave less than a third of it."""
        sampler = self.decode_head.point_sampler
        border = max(sampler.border, 0) if sampler is not None else 0
        return border if 3 * border <= min(size) else 0

    def _grid(self, measured: Tensor) -> DrawnPoints:
        """One pixel of each square of ``test_stride``, as far as they are measured."""
        height, width = measured.shape[-2:]
        rows, columns = (
            torch.arange(0, length, self.decode_head.test_stride, device=measured.device)
            for length in (height, width)
        )
        cells = (rows[:, None] * width + columns).flatten().expand(len(measured), -1)
        return DrawnPoints(cells, measured.flatten(1).gather(1, cells))

    def _gray(self, levels: Tensor) -> Tensor:
        return gray_input(levels, self.data_preprocessor, self.channels)


def _tell_affine(backbone: nn.Module) -> None:
    """Warn of scales and shifts beside the biases of convolutions; a ResNet has no others."""
    affine = [k for k, m in backbone.named_modules() if isinstance(m, _BatchNorm) and m.affine]
    biased = any(isinstance(m, nn.Conv2d) and m.bias is not None for m in backbone.modules())
    if affine and biased:
        print_log(
            f'ColorizationPretrainer.backbone: {len(affine)} layers of batch normalisation ({affine[0]} …) '
            "have scale and shift; the paper's have none (sec. 3.1). Give norm_cfg=dict(type='BN', "
            'affine=False), and fc_norm_cfg likewise, if these are meant',
            'current',
            logging.WARNING,
        )
