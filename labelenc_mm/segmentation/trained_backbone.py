"""The backbone of a config with the weights of a file: of one of ours, any checkpoint, or torchvision's."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.handover.artefact import METADATA_KEY
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

BACKBONE = 'backbone.'
_TORCHVISION = 'features.'


class BackboneWeightsError(LabelEncMMError, ValueError):
    """Weights that are no backbone's, or another one's; says why."""


def read_weights(path: str) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Tensors of a ``.pth``, and what it says of itself if it is one of ours.

    Those of a VGG, AlexNet or DenseNet in torchvision's layout become its backbone's, which knows them.

    Raises:
        CheckpointError: It is no such file.
        BackboneWeightsError: It has no backbone.
    """
    content = load_checkpoint_file(path)
    state = content.get('state_dict', content)
    meta = content.get('meta') or {}
    if any(key.startswith(_TORCHVISION) for key in state):
        return {f'{BACKBONE}{key}': value for key, value in state.items()}, None
    if not any(key.startswith(BACKBONE) for key in state):
        raise BackboneWeightsError(
            f'{path} has no {BACKBONE}* weights, but {", ".join(list(state)[:3])} …: give a checkpoint of a '
            'segmentor or of a pretrainer'
        )
    return dict(state), meta.get(METADATA_KEY)


def build_backbone(config: Config, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The backbone of a config with weights of a file, in evaluation mode, SyncBN as BN.

    Raises:
        BackboneWeightsError: They do not fit.
    """
    init_default_scope('mmseg')
    backbone = revert_sync_batchnorm(MODELS.build(config.model.backbone))
    own = {k.removeprefix(BACKBONE): v for k, v in tensors.items() if k.startswith(BACKBONE)}
    try:
        backbone.load_state_dict(own, strict=True)
    except RuntimeError as error:
        raise BackboneWeightsError(
            f'the weights do not fit the backbone of the config: {error}\nGive the config of the training'
        ) from error
    backbone.eval()  # of which mmseg's ResNet returns nothing
    return backbone
