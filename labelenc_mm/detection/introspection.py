"""What a detector of MMDetection is made of, as far as LabelEnc needs to know."""

import ast
import inspect
import textwrap
from collections.abc import Sequence

import torch
from torch import nn

from labelenc_mm.engine.built_models import image_channels

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


@torch.no_grad()
def find_encoder_outputs(
    backbone: nn.Module, encoder_strides: Sequence[int] = (4, 8, 16, 32)
) -> tuple[int, ...]:
    """Indices of the label encoder's outputs whose strides the backbone has.

    Measured by one pass over a small blank image.

    Raises:
        ValueError: If the backbone has an output of another stride.
    """
    side = 128
    was_training = backbone.training
    device = next(backbone.parameters()).device
    blank = torch.zeros(1, image_channels(backbone), side, side, device=device)
    backbone.eval()
    try:
        outputs = backbone(blank)
    finally:
        backbone.train(was_training)
    strides = [round(side / output.shape[-1]) for output in outputs]
    unknown = [stride for stride in strides if stride not in encoder_strides]
    if unknown:
        raise ValueError(
            f'{type(backbone).__name__} has outputs of strides {strides}; the label encoder has '
            f'{tuple(encoder_strides)}. Set labelenc.encoder_outputs if the neck fits all the same'
        )
    return tuple(encoder_strides.index(stride) for stride in strides)


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
