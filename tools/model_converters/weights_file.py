"""Files of weights that a converter changes: one of ours, any checkpoint, or one of torchvision's."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

import labelenc_mm  # noqa: F401  (configs name its parts)
from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.files import replacing
from labelenc_mm.handover.artefact import METADATA_KEY, save_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

BACKBONE = 'backbone.'
_TORCHVISION = 'features.'


class ConversionError(LabelEncMMError, ValueError):
    """Weights that cannot be converted; says why."""


def read_weights(path: str) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Tensors of a ``.pth``, and what it says of itself if it is one of ours.

    Those of a VGG, AlexNet or DenseNet in torchvision's layout become its backbone's, which knows them.

    Raises:
        CheckpointError: It is no such file.
        ConversionError: It has no backbone.
    """
    content = load_checkpoint_file(path)
    state = content.get('state_dict', content)
    meta = content.get('meta') or {}
    if any(key.startswith(_TORCHVISION) for key in state):
        return {f'{BACKBONE}{key}': value for key, value in state.items()}, None
    if not any(key.startswith(BACKBONE) for key in state):
        raise ConversionError(
            f'{path} has no {BACKBONE}* weights, but {", ".join(list(state)[:3])} …: give a checkpoint of a '
            'segmentor or of a pretrainer'
        )
    return dict(state), meta.get(METADATA_KEY)


def write_weights(
    path: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any] | None, **facts: Any
) -> None:
    """Write a ``.pth`` of plain tensors; one of ours says what was done to it.

    Args:
        path: File to write, replaced in one go.
        tensors: The weights.
        metadata: Of the file that was read.
        facts: What was done.

    Raises:
        ConversionError: The name does not end in ``.pth``.
    """
    if not path.endswith('.pth'):
        raise ConversionError(f'OUT={path} must end in .pth, as the toolbox wants it')
    if metadata is not None:
        save_tensors(path, tensors, {**metadata, **facts})
        return
    with replacing(path) as unfinished, unfinished.open('wb') as file:
        torch.save({'meta': {}, 'state_dict': dict(tensors)}, file)


def build_backbone(config: Config, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The backbone of a config with weights of a file, in evaluation mode, SyncBN as BN.

    Raises:
        ConversionError: They do not fit.
    """
    init_default_scope('mmseg')
    backbone = revert_sync_batchnorm(MODELS.build(config.model.backbone))
    own = {k.removeprefix(BACKBONE): v for k, v in tensors.items() if k.startswith(BACKBONE)}
    try:
        backbone.load_state_dict(own, strict=True)
    except RuntimeError as error:
        raise ConversionError(
            f'the weights do not fit the backbone of the config: {error}\nGive the config of the training'
        ) from error
    backbone.eval()
    return backbone


def with_backbone(tensors: Mapping[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Weights with those of a backbone in the place of their own."""
    rest = {key: value for key, value in tensors.items() if not key.startswith(BACKBONE)}
    return {**{f'{BACKBONE}{key}': v for key, v in backbone.state_dict().items()}, **rest}
