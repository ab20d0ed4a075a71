"""The model of denoising pretraining (DDeP, 2022, sec. 3): a stock segmentor whose decoder predicts noise."""

import logging
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.engine.companions import ModelWithCompanions
from labelenc_mm.engine.finite_losses import StopIfNotFiniteMixin
from labelenc_mm.handover.declaration import HandsOver, Leaves
from labelenc_mm.pretraining.denoising.gaussian_corruption import (
    Corrupted,
    GaussianCorruption,
)
from labelenc_mm.pretraining.denoising.pixel_prediction import PixelPrediction, crop_to
from labelenc_mm.pretraining.denoising.segmentor_parts import (
    build_stages,
    encoder_modules,
    find_encoder,
    knows_level,
    last_stage,
    replace_classifier,
    run_stages,
)
from labelenc_mm.pretraining.inside_images import (
    image_moments,
    inside_images,
    mean_inside,
)
from labelenc_mm.pretraining.photo_dataset import photo_facts
from labelenc_mm.pretraining.pretrained_segmentor import pretrained_segmentor
from labelenc_mm.segmentation.data.gray_images import to_rgb_levels

TARGETS = ('noise', 'image')
DROPPED = ('conv_seg', 'level_embedding')
"""Of a decode head: what the next training has no use for."""
_SMALL_SHARE = 0.5


@MODELS.register_module()
class DenoisingDecoderPretrainer(
    HandsOver, ModelWithCompanions, StopIfNotFiniteMixin, EncoderDecoder
):
    """Pretrain the decoder of a segmentor on photos without labels, by denoising.

    It takes the model part of a stock segmentor's config as it is::

        _base_ = [
            'mmseg::_base_/models/upernet_r50.py',
            'labelenc_mm::ddep/_base_/photos.py',
            'labelenc_mm::ddep/_base_/schedules/pretraining_100e.py',
        ]
        model = dict(type='DenoisingDecoderPretrainer')

    A :class:`PixelPrediction` stands in the place of the classifier ``conv_seg``; all else keeps its name.
    Auxiliary heads are left out. What a stock config says of classes, losses, label pipelines and test modes
    plays no part. The training leaves ``pretrained_segmentor.pth``: backbone, neck and decode head without
    classifier, which ``load_from`` of the stock toolbox takes, or :class:`LoadPretrainedSegmentor`.

    Args:
        corruption: Config of a :class:`GaussianCorruption`; by default the paper's, scaled with gamma 0.95.
        target: 'noise' (the default, sec. 3.2) or 'image'; either with plain mean squared error.
        encoder: Paths of the parts that are frozen, as in ``named_modules()``; by default the backbone, of
            mmseg's UNet ``backbone.encoder``, for its decoder is in the backbone, too. A neck belongs to the
            decoder. With ``()`` everything is trained (DeP, sec. 3.1).
        head: Stage of a cascade that is pretrained, with those before it.
        seed: Of the noise in validation, which is the same for an image at every time.
        auxiliary_head: Of the stock config; not built.
        num_stages: Of a stock cascade; not looked at.
        data_preprocessor: Of the stock config. One that says neither ``size`` nor ``size_divisor`` pads the
            images of a batch to the largest; padding has neither noise nor loss.
        kwargs: Of the segmentor.

    Raises:
        ValueError: The decode head has no classifier of its own, it is a cascade and ``head`` is missing, a
            path of ``encoder`` names nothing, or nothing but the classifier would be trained.
    """

    companions = {
        'default_hooks': {
            'denoising': {'type': 'mmseg.DenoisingHook'},
            'reseed': {'type': 'mmengine.ReseedHook'},  # without, all ranks draw the same noise
        }
    }

    def __init__(
        self,
        *,
        corruption: dict[str, Any] | None = None,
        target: str = 'noise',
        encoder: str | Sequence[str] | None = None,
        head: int | None = None,
        seed: int = 0,
        auxiliary_head: Any = None,
        num_stages: int | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if target not in TARGETS:
            raise ValueError(
                f'DenoisingDecoderPretrainer.target={target!r} must be one of {TARGETS}'
            )
        self._stage = head
        data_preprocessor = dict(data_preprocessor or dict(type='SegDataPreProcessor'))
        # mmengine hands over that of the config, to which mmseg's base configs give no size.
        if data_preprocessor.get('size') is data_preprocessor.get('size_divisor') is None:
            data_preprocessor['size_divisor'] = 1
        super().__init__(data_preprocessor=data_preprocessor, **kwargs)
        self.corruption: GaussianCorruption = MODELS.build(
            {'type': 'GaussianCorruption', **(corruption or dict(gamma=0.95))}
        )
        if knows_level(self.decode_head) and not self.corruption.is_range:
            raise ValueError(
                'decode_head.level_embedding=True tells the decoder the level of the noise, which is always '
                'the same here: give model.corruption a range, gamma=(0.9, 0.95), or leave the embedding out'
            )
        self.target = target
        self.seed = seed
        replace_classifier(self)
        if encoder is None:
            encoder = find_encoder(self.backbone)
        self.encoder = (encoder,) if isinstance(encoder, str) else tuple(encoder)
        for module in encoder_modules(self, self.encoder):
            module.requires_grad_(False)
        self._check_decoder()
        self._is_described = False

    def _init_decode_head(self, decode_head: dict | list[dict]) -> None:
        self.decode_head = build_stages(decode_head, self._stage)
        head = last_stage(self.decode_head)
        self.num_classes = getattr(head, 'num_classes', None)
        self.align_corners = getattr(head, 'align_corners', False)

    def _check_decoder(self) -> None:
        """Refuse to train nothing, or nothing that the next training would take."""
        classifier = {id(p) for p in self.pixel_prediction.parameters()}
        trained = {id(p) for p in self.parameters() if p.requires_grad}
        if not classifier <= trained or trained <= classifier:
            names = ', '.join(map(repr, self.encoder))
            raise ValueError(
                f'DenoisingDecoderPretrainer.encoder: with {names} frozen nothing but the classifier would '
                'be trained, if that, and no decoder. Name the modules that are pretrained already, e.g. '
                "encoder=('backbone.encoder',) where a backbone has the decoder inside"
            )

    @property
    def pixel_prediction(self) -> PixelPrediction:
        """The layer in the place of the classifier."""
        return last_stage(self.decode_head).conv_seg

    @property
    def own_prefixes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What no stock segmentor has."""
        return (f'{self._head_path}.conv_seg.conv.', 'corruption.')

    @property
    def not_exported(self) -> str:
        """There is no stock model behind it that predicts anything."""
        return 'a pretrainer predicts no classes; what it leaves is for a fine-tuning'

    @property
    def _head_path(self) -> str:
        return 'decode_head' if self._stage is None else f'decode_head.{self._stage}'

    def leaves(self, metainfo: Mapping[str, Any]) -> Leaves:
        """The segmentor without its classifier."""
        stages = [] if self._stage is None else range(self._stage + 1)
        heads = [f'decode_head.{stage}' for stage in stages] or ['decode_head']
        kind = pretrained_segmentor(
            ['corruption', *(f'{head}.{name}' for head in heads for name in DROPPED)]
        )
        return Leaves(
            kind,
            {
                'method': 'denoising',
                'target': self.target,
                'corruption': self.corruption.describe(),
                'encoder': list(self.encoder),
                'head': self._stage,
                **photo_facts(metainfo),
            },
        )

    def train(self, mode: bool = True) -> 'DenoisingDecoderPretrainer':
        """Switch to training mode; the encoder stays in evaluation mode."""
        super().train(mode)
        for module in encoder_modules(self, self.encoder):
            module.eval()
        return self

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """The error of what is predicted for a freshly corrupted batch.

        Args:
            inputs: (N, 3, H, W) normalised images, perhaps padded.
            data_samples: N samples, which tell by ``img_shape`` what is no padding.

        Returns:
            ``loss_denoising``, the mean squared error, and beside it ``linear_mse``, that of the best linear
            denoiser of single pixels on data of this variance (:meth:`Corrupted.linear_mse`).
        """
        inside = inside_images(inputs, data_samples)
        corrupted: Corrupted = self.corruption(inputs, inside)
        target = corrupted.noise if self.target == 'noise' else inputs.float()
        errors = (self.predict_target(corrupted).float() - target).square()
        mean, square = image_moments(inputs, inside)
        variance = square - mean.square()
        linear = corrupted.linear_mse(variance)
        if self.target == 'image':
            linear = linear * corrupted.relative_noise.square()
        if self.training and not self._is_described:
            self._is_described = True
            self._describe(variance, corrupted, inside)
        return {'loss_denoising': mean_inside(errors, inside), 'linear_mse': linear.mean()}

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> list[SegDataSample]:
        """Corrupt whole images and restore them.

        The noise of an image depends on ``seed`` and the name of its file alone; of a range of levels it has
        the middle.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: N samples with ``img_path`` and ``img_shape``.

        Returns:
            The samples with ``clean``, ``noisy`` and ``restored``, each (3, h, w) RGB in gray levels from 0
            to 255, not clipped, and ``denoising_mse``, the mean squared error of the target.
        """
        inside = inside_images(inputs, data_samples)
        noise = torch.stack([self._fixed_noise(each, inputs) for each in data_samples])
        corrupted = self.corruption(inputs, inside, noise.to(inputs.device), fixed_level=True)
        prediction = self.predict_target(corrupted).float()
        errors = prediction - (corrupted.noise if self.target == 'noise' else inputs)
        restored = self.restored(corrupted, prediction)
        for index, sample in enumerate(data_samples):
            height, width = sample.metainfo['img_shape'][:2]
            pictures = dict(clean=inputs, noisy=corrupted.noisy, restored=restored)
            for name, images in pictures.items():
                picture = to_rgb_levels(images[index, :, :height, :width], self.data_preprocessor)
                sample.set_field(PixelData(data=picture), name, dtype=PixelData)
            mse = errors[index, :, :height, :width].square().mean()
            sample.set_field(mse, 'denoising_mse')
        return list(data_samples)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        """What is predicted for (N, 3, H, W) images as they are."""
        return self._run(inputs)

    def predict_target(self, corrupted: Corrupted) -> Tensor:
        """(N, 3, H, W) noise, or image, that is predicted for a corrupted batch."""
        return self._run(corrupted.noisy, corrupted.log_sigma)

    def restored(self, corrupted: Corrupted, prediction: Tensor) -> Tensor:
        """(N, 3, H, W) images as a prediction of the target has them."""
        return corrupted.restore(prediction) if self.target == 'noise' else prediction

    def _run(self, images: Tensor, log_sigma: Tensor | None = None) -> Tensor:
        prediction = run_stages(self.decode_head, self.extract_feat(images), log_sigma)
        return crop_to(prediction, images.shape[-2:])

    def _fixed_noise(self, sample: SegDataSample, inputs: Tensor) -> Tensor:
        """(C, H, W) noise of an image of a batch, the same on every device and however it is padded."""
        name = str(sample.metainfo.get('img_path', '')).replace('\\', '/').rpartition('/')[2]
        generator = torch.Generator().manual_seed(self.seed + zlib.crc32(name.encode()))
        channels, height, width = inputs.shape[1:]
        rows, columns = sample.metainfo['img_shape'][:2]
        noise = torch.randn((channels, rows, columns), generator=generator)
        return F.pad(noise, (0, width - columns, 0, height - rows))

    def _describe(self, variance: Tensor, corrupted: Corrupted, inside: Tensor | None) -> None:
        """Log once what the corruption means for these data."""
        # Of a range that reaches pure noise, a mean would be that of its last image.
        sigma = corrupted.relative_noise.median(0).values.expand(3)
        std = getattr(self.data_preprocessor, 'std', sigma.new_ones(3)).flatten()
        shown = [
            ', '.join(f'{value:.{digits}f}' for value in np.asarray(values.cpu()))
            for values, digits in ((variance, 2), (sigma * std, 1))
        ]
        print_log(
            f'Denoising: the images of the first batch have a variance of {shown[0]} (each channel); the '
            f'noise, beside the image in its own scale, has a standard deviation of {shown[1]} gray levels',
            'current',
        )
        if inside is not None and (share := inside.float().mean().item()) < _SMALL_SHARE:
            print_log(
                f'Denoising: {1 - share:.0%} of the first batch is padding, which costs time and teaches '
                "nothing: set data_preprocessor.size to the pipeline's crop",
                'current',
                logging.WARNING,
            )
