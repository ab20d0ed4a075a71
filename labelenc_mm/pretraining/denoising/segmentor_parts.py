"""Parts of a segmentor in denoising pretraining: its encoder, which is frozen, and its classifier."""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from mmseg.models.backbones import UNet
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.engine.built_models import loads_a_checkpoint
from labelenc_mm.engine.module_paths import modules_at
from labelenc_mm.networks.blank_image import measure_maps
from labelenc_mm.networks.named_features import FeatureError, FeatureRecorder
from labelenc_mm.pretraining.denoising.pixel_prediction import PixelPrediction

_REMEDY = (
    'Denoising pretraining replaces the layer conv_seg that ends a decode head: take a segmentor with such '
    'a head (FCN, PSPNet, UPerNet, DeepLabV3+, SegFormer, UNetDecoderHead and others)'
)


def build_stages(decode_head: dict | Sequence[dict], stage: int | None) -> nn.Module:
    """Build a decode head, or of a cascade the stage that is pretrained and those before it.

    Args:
        decode_head: Its config, a list of a cascade.
        stage: Which stage is pretrained; None where it is no cascade.

    Raises:
        ValueError: It is a cascade and no stage is given, or the other way round.
    """
    if isinstance(decode_head, dict):
        if stage is not None:
            raise ValueError(
                f'DenoisingDecoderPretrainer.head={stage} names the stage of a cascade, but decode_head is '
                'a single one: leave head out'
            )
        return MODELS.build(decode_head)
    stages = list(decode_head)
    if stage is None or not 0 <= stage < len(stages):
        names = ', '.join(f'{i}: {each["type"]}' for i, each in enumerate(stages))
        raise ValueError(
            f'decode_head is a cascade ({names}), whose stages predict one after the other: name the one '
            f'that is to be pretrained, DenoisingDecoderPretrainer.head=<stage>, got {stage}'
        )
    return nn.ModuleList(MODELS.build(each) for each in stages[: stage + 1])


def last_stage(decode_head: nn.Module) -> Any:
    """A decode head, of a cascade the last one."""
    return decode_head[-1] if isinstance(decode_head, nn.ModuleList) else decode_head


def run_stages(decode_head: Any, features: Any, log_sigma: Tensor | None = None) -> Any:
    """What a decode head, or the last stage of a cascade, makes of features.

    Args:
        decode_head: The head, or the stages.
        features: What it is given.
        log_sigma: (N,) level of the noise, for a head that asks for it; by default 0.
    """
    if knows_level(decode_head):
        decode_head.set_level(
            features[0].new_zeros(len(features[0])) if log_sigma is None else log_sigma
        )
    if not isinstance(decode_head, nn.ModuleList):
        return decode_head(features)
    output = None
    for head in decode_head:
        cascaded = isinstance(head, BaseCascadeDecodeHead)
        output = head(features, output) if cascaded else head(features)
    return output


def knows_level(head: nn.Module) -> bool:
    """Whether a decode head has to be told the level of the noise (sec. 4.4)."""
    return getattr(head, 'level_embedding', None) is not None


def replace_classifier(model: Any) -> PixelPrediction:
    """Put a :class:`PixelPrediction` in the place of the classifier of a segmentor's decode head.

    Args:
        model: With ``extract_feat`` and ``decode_head``, which may be the stages of a cascade.

    Returns:
        It; its stride and channels are measured.

    Raises:
        ValueError: The head has no classifier of its own, uses it several times, or goes on behind it.
    """
    head = last_stage(model.decode_head)
    classifier = getattr(head, 'conv_seg', None)
    name = type(head).__name__
    if not isinstance(head, BaseDecodeHead) or not isinstance(classifier, nn.Module):
        raise ValueError(f'{name} has no classifier layer conv_seg of its own. {_REMEDY}')
    outputs: list[Tensor] = []
    recorder = FeatureRecorder(model, ['decode_head.classifier'])

    def run(image: Tensor) -> list[Tensor]:
        outputs.clear()
        with recorder.record() as features:
            maps = model.extract_feat(image)
            result = run_stages(model.decode_head, maps)
        if len(outputs) != 1 or result is not outputs[0]:
            raise FeatureError(
                f'{name} goes on behind its classifier, or uses it several times. {_REMEDY}'
            )
        if not _predicts_alike_in_training(model.decode_head, maps, outputs):
            raise FeatureError(
                f'{name} takes or gives something else in training than in testing. {_REMEDY}'
            )
        return [features['decode_head.classifier']]

    handle = classifier.register_forward_hook(lambda module, args, output: outputs.append(output))
    try:
        (shape,) = measure_maps(model, run, 'Give data_preprocessor.size, which the model takes')
    finally:
        handle.remove()
    head.conv_seg = PixelPrediction(shape.channels, shape.stride)
    numbers = head.conv_seg.conv.out_channels
    if shape.channels < numbers:
        print_log(
            f'Denoising: {shape.channels} channels enter the classifier of {name}, which predicts {numbers} '
            f'numbers a cell of {shape.stride}x{shape.stride} pixels: of white noise they explain at most '
            f'{shape.channels / numbers:.0%}. Give the head more channels, or a smaller stride',
            'current',
            logging.WARNING,
        )
    # Dropout in front of it would be noise that the decoder cannot see.
    head.dropout = None
    return head.conv_seg


def _predicts_alike_in_training(decode_head: Any, maps: Any, outputs: list[Tensor]) -> bool:
    """Whether a head ends in its classifier in training, too; DDRNet's and PIDNet's have further outputs.

    The mode of the head alone is changed: its layers stay in evaluation mode, their statistics as they are.

    Args:
        decode_head: The head, or the stages, in evaluation mode.
        maps: What the backbone gives.
        outputs: What the classifier gives, filled by a hook.
    """
    head = last_stage(decode_head)
    outputs.clear()
    head.training = True
    try:
        result = run_stages(decode_head, maps)
    except Exception:  # whatever a head says to maps of which it expects several, say
        return False
    finally:
        head.training = False
    return len(outputs) == 1 and result is outputs[0]


def find_encoder(backbone: nn.Module) -> tuple[str, ...]:
    """Paths of what is the encoder of a segmentor: its backbone, of mmseg's UNet the first half of it."""
    return ('backbone.encoder',) if isinstance(backbone, UNet) else ('backbone',)


def encoder_modules(model: nn.Module, paths: Sequence[str]) -> list[nn.Module]:
    """The modules that are frozen.

    Args:
        model: The segmentor.
        paths: As in ``named_modules()``.

    Raises:
        ValueError: A path names nothing, or a module without parameters.
    """
    owner = 'DenoisingDecoderPretrainer.encoder'
    return modules_at(model, paths, owner, remedy='. () trains everything')


def is_pretrained(model: nn.Module, path: str) -> bool:
    """Whether the config of a module, or of one around or inside it, names weights to start from.

    Backbones of timm and of Hugging Face's libraries load theirs when they are built, and do not say so.
    """
    for name, module in model.named_modules():
        related = name == '' or f'{path}.'.startswith(f'{name}.') or name.startswith(f'{path}.')
        init_cfg = getattr(module, 'init_cfg', None)
        entries = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
        if related and any(map(loads_a_checkpoint, entries)):
            return True
    return False
