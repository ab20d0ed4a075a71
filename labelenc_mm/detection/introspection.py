"""Parts and features of a detector of MMDetection, as far as LabelEnc needs to know them."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from labelenc_mm.networks import LabelEncoder
from labelenc_mm.networks.blank_image import map_shapes, pass_blank_image
from labelenc_mm.networks.named_features import FeatureError, FeatureRecorder

NOT_HEAD = ('backbone', 'neck', 'labelenc', 'data_preprocessor')
"""Children of a detector that do not belong to its head in the sense of LabelEnc, sec. 3.1."""


def head_children(detector: nn.Module) -> dict[str, nn.Module]:
    """The children that make up the head: everything outside backbone, neck and our subtree."""
    return {name: child for name, child in detector.named_children() if name not in NOT_HEAD}


def count_classes(detector: nn.Module) -> int:
    """The number of classes that the head of a detector predicts.

    Raises:
        ValueError: If the head does not tell.
    """
    queue = [getattr(detector, name, None) for name in ('bbox_head', 'roi_head', 'mask_head')]
    while queue:
        module = queue.pop(0)
        if isinstance(module, nn.ModuleList):  # cascades
            module = module[-1]
        count = getattr(module, 'num_classes', None)
        if isinstance(count, int):
            return count
        queue += [getattr(module, name, None) for name in ('bbox_head', 'mask_head')]
        queue = [module for module in queue if module is not None]
    raise ValueError(
        f'{type(detector).__name__}: no num_classes in bbox_head, roi_head or mask_head'
    )


def predicts_masks(detector: nn.Module) -> bool:
    """Whether a detector learns instance masks."""
    return bool(detector.with_mask) or hasattr(getattr(detector, 'bbox_head', None), 'loss_mask')


class Features(NamedTuple):
    """What a detector makes of a blank image."""

    strides: list[int]
    """Of the backbone's outputs, in their order."""
    channels: list[int]
    """Of the same."""
    widths: list[int] | None
    """Channels of the levels that its head gets, None where the neck does not run here."""


def measure_features(detector: Any, remedy: str) -> Features:
    """Measure the features of a detector by one pass over a blank image.

    Some necks have operators for GPUs alone, while a model is built on the CPU; then the backbone runs by
    itself.

    Args:
        detector: The detector.
        remedy: What to do where that fails, for the message.

    Raises:
        ValueError: There is no image that the detector takes, or its backbone has no part in it.
    """
    recorder = FeatureRecorder(detector, ['backbone.*'])

    def recorded(extract: Callable[[Tensor], Any]) -> Callable[[Tensor], tuple[list[Tensor], Any]]:
        def run(image: Tensor) -> tuple[list[Tensor], Any]:
            with recorder.record() as features:
                levels = extract(image)
            return features['backbone.*'], levels

        return run

    try:
        image, (outputs, levels) = pass_blank_image(
            detector, recorded(detector.extract_feat), remedy
        )
    except FeatureError as error:
        raise ValueError(
            f'{type(detector).__name__}.extract_feat does not run its backbone. {remedy}'
        ) from error
    except ValueError:
        image, (outputs, _) = pass_blank_image(detector, recorded(detector.backbone), remedy)
        levels = None
    shapes = map_shapes(image, outputs)
    return Features(
        [shape.stride for shape in shapes],
        [shape.channels for shape in shapes],
        None if levels is None else [level.shape[1] for level in levels],
    )


def source_of_levels(detector: Any) -> str:
    """What gives the head of a detector its levels: the class of its neck, or of its backbone."""
    neck = getattr(detector, 'neck', None)
    return type(detector.backbone if neck is None else neck).__name__


def find_encoder_outputs(strides: Sequence[int]) -> tuple[int, ...]:
    """Indices of the label encoder's outputs that have the strides of a backbone's.

    Raises:
        ValueError: If the encoder has no output of such a stride.
    """
    if any(stride not in LabelEncoder.strides for stride in strides):
        remedy = 'Set labelenc.encoder_outputs if the neck fits all the same'
        if 1 in strides:
            remedy = (
                'One of stride 1 is the image itself, as DetectoRS gives it to its neck (RFP), which passes '
                'it through a backbone of its own; there is none of labels. Use another neck, such as FPN, '
                'and a backbone with output_img=False'
            )
        raise ValueError(
            f'the backbone has outputs of strides {list(strides)}; the label encoder has '
            f'{LabelEncoder.strides}. {remedy}'
        )
    return tuple(LabelEncoder.strides.index(stride) for stride in strides)


def level_widths(module: nn.Module, run: Callable[[Tensor], Sequence[Tensor]]) -> list[int] | None:
    """Channels of the levels that ``run`` makes of a blank image; None where it does not run here.

    Args:
        module: What runs.
        run: Gets a (1, channels, H, W) image of zeros.
    """
    try:
        return [level.shape[1] for level in pass_blank_image(module, run, '')[1]]
    except ValueError:
        return None


def common_width(widths: Sequence[int] | None, whose: str, neck: Any) -> int:
    """The number of channels of all levels of a feature pyramid.

    Args:
        widths: Channels of each level; None where they cannot be measured.
        whose: What gives them out, for the message.
        neck: Its config, or list of configs in order, which is asked where they cannot be measured.

    Raises:
        ValueError: If there is no such number.
    """
    if widths is None:
        configs = list(neck) if isinstance(neck, Sequence) else [neck or {}]
        told = [config['out_channels'] for config in configs if 'out_channels' in config]
        widths = told[-1] if told and isinstance(told[-1], Sequence) else told[-1:]
        if not widths:
            raise ValueError(f'{whose} does not run here, and its config has no out_channels')
    if len(set(widths)) != 1:
        raise ValueError(
            'the feature adaptation block is shared by all levels and needs levels of one width; those '
            f'of {whose} have {list(widths)} channels. Use a detector whose neck gives one '
            'width, such as an FPN'
        )
    return widths[0]


def count_feature_extractions(cls: type) -> tuple[int, int]:
    """How often ``cls.loss`` calls ``self.extract_feat`` and how often that of another object.

    Read from the source of ``loss``, following ``super().loss``.

    Raises:
        TypeError: If there is no source.
    """
    own = others = 0
    mro = [base for base in cls.__mro__ if 'loss' in vars(base)]
    while mro:
        base = mro.pop(0)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(vars(base)['loss'])))
        except OSError as error:
            raise TypeError(f'{base.__name__}.loss has no source that could be read') from error
        calls_super = False
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            target = ast.unparse(node.func.value)
            if node.func.attr == 'extract_feat':
                own += target == 'self'
                others += target != 'self'
            calls_super |= node.func.attr == 'loss' and target.startswith('super(')
        if not calls_super:
            break
    return own, others
