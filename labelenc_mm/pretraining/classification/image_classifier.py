"""Image classifier: a backbone that learns from labels of whole images, for the segmentor that takes it over.

Decoder denoising pretraining presupposes an encoder that knows something ("Decoder Denoising Pretraining for
Semantic Segmentation", sec. 4: supervised on ImageNet-21k). Where no such weights are to be had, this trains
one on photos and their classes, without a third toolbox.
"""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import LabelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from labelenc_mm.engine.finite_losses import StopIfNotFiniteMixin
from labelenc_mm.networks.blank_image import pass_blank_image


@MODELS.register_module()
class ImageClassifier(StopIfNotFiniteMixin, BaseModel):
    """Backbone, global average pooling and one linear layer, ``fc``.

    An image's labels are ``data_sample.gt_label.label``, a whole-number tensor of shape (labels,);
    ``gt_label.ignored``, where it is there, holds those that neither are nor are not the image's. A backbone
    of the same config takes what was learned from any checkpoint of the training, also in a stock segmentor:
    ``init_cfg=dict(type='Pretrained', checkpoint='epoch_100.pth', prefix='backbone.')``.

    Args:
        backbone: Config of a backbone of MMSegmentation or of this package.
        num_classes: Number of classes.
        out_index: Which of the backbone's outputs is pooled; layers that only later ones need are not
            trained, and want ``find_unused_parameters`` where training is distributed.
        multi_label: Whether an image may show several classes, or none: sigmoid and binary cross entropy in
            place of softmax.
        loss_weight: Factor of the loss, a mean over images and, with ``multi_label``, classes; the number of
            classes makes it their sum.
        data_preprocessor: Config, usually of a ``SegDataPreProcessor``.
        init_cfg: As of any model of the toolbox.

    Raises:
        ValueError: There is no such output, or it is no map.
    """

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        out_index: int = -1,
        multi_label: bool = False,
        loss_weight: float = 1.0,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.num_classes = num_classes
        self.out_index = out_index
        self.multi_label = multi_label
        self.loss_weight = loss_weight
        _, maps = pass_blank_image(
            self, self.backbone, 'Take a backbone of images, with the sizes that it is made for'
        )
        shapes = [tuple(each.shape) if isinstance(each, Tensor) else each for each in maps]
        if not -len(shapes) <= out_index < len(shapes) or len(shapes[out_index]) != 4:
            raise ValueError(
                f'out_index={out_index}: {type(self.backbone).__name__} gives out {shapes}; expected the '
                'index of a map of shape (N, C, H, W)'
            )
        self.fc = nn.Linear(shapes[out_index][1], num_classes)

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[SegDataSample] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Classify images.

        Args:
            inputs: (N, C, H, W), normalised.
            data_samples: One an image; they may be missing but for a loss.
            mode: ``tensor`` for logits (N, classes), ``loss`` for a dict of losses, ``predict`` for the data
                samples with ``pred_label``.
        """
        logits = self.fc(self.backbone(inputs)[self.out_index].mean(dim=(-2, -1)))
        if mode == 'tensor':
            return logits
        if mode == 'predict':
            return self.add_predictions(logits, data_samples)
        if mode == 'loss':
            return {'loss_cls': self.loss_weight * self.loss(logits, data_samples or [])}
        raise RuntimeError(f'mode {mode!r} is none of "tensor", "loss" and "predict"')

    def loss(self, logits: Tensor, data_samples: list[SegDataSample]) -> Tensor:
        """Cross entropy, binary per class where an image may have several labels; mean over the batch.

        A class that an image ignores adds nothing, and counts in the mean.

        Raises:
            ValueError: Labels that are no classes, or not exactly one of an image where it has to be one.
        """
        labels = [sample.gt_label.label for sample in data_samples]
        ignored = [_ignored(sample) for sample in data_samples]
        flat = torch.cat([*labels, *ignored])
        is_counted_wrong = any(map(self._is_counted_wrong, data_samples))
        if is_counted_wrong or bool(((flat < 0) | (flat >= self.num_classes)).any()):
            raise ValueError(self._describe_wrong(data_samples))
        if not self.multi_label:
            return F.cross_entropy(logits, flat)
        targets, weights = torch.zeros_like(logits), torch.ones_like(logits)
        for row, (shown, unknown) in enumerate(zip(labels, ignored, strict=True)):
            targets[row, shown] = 1
            weights[row, unknown] = 0
        return F.binary_cross_entropy_with_logits(logits, targets, weights)

    def _is_counted_wrong(self, sample: SegDataSample) -> bool:
        return not self.multi_label and (
            len(sample.gt_label.label) != 1 or len(_ignored(sample)) > 0
        )

    def _describe_wrong(self, data_samples: list[SegDataSample]) -> str:
        for sample in data_samples:
            label, ignored = sample.gt_label.label.tolist(), _ignored(sample).tolist()
            if self._is_counted_wrong(sample) or not all(
                0 <= each < self.num_classes for each in label + ignored
            ):
                break
        number = 'any number of labels' if self.multi_label else 'one label'
        hint = '' if self.multi_label else ', or multi_label=True for images of several classes'
        return (
            f'{sample.get("img_path", "an image")} has the labels {label}'
            + (f' and ignores {ignored}' if ignored else '')
            + f'; expected {number} from 0 to {self.num_classes - 1}{hint}. Mend the list of images, or '
            'num_classes'
        )

    def add_predictions(
        self, logits: Tensor, data_samples: list[SegDataSample] | None
    ) -> list[SegDataSample]:
        """Give each data sample a ``pred_label``.

        Its ``score`` holds the probability of each class, shape (classes,), its ``logits`` what it is of; its
        ``label`` the most probable one, or those of more than 0.5 where an image may have several.
        """
        logits = logits.float()  # half precision has ties
        scores = logits.sigmoid() if self.multi_label else logits.softmax(dim=1)
        samples = data_samples or [SegDataSample() for _ in scores]
        for sample, score, row in zip(samples, scores, logits, strict=True):
            label = (score > 0.5).nonzero()[:, 0] if self.multi_label else score.argmax()[None]
            sample.pred_label = LabelData(score=score, label=label, logits=row)
        return samples


def _ignored(sample: SegDataSample) -> Tensor:
    label = sample.gt_label
    return label.get('ignored', label.label[:0])
