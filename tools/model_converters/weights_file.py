"""Files of weights that a converter writes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import labelenc_mm  # noqa: F401  (configs name its parts)
from labelenc_mm.files import replacing
from labelenc_mm.handover.artefact import save_tensors
from labelenc_mm.segmentation.trained_backbone import BACKBONE, BackboneWeightsError


class ConversionError(BackboneWeightsError):
    """Weights that cannot be converted; says why."""


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


def with_backbone(tensors: Mapping[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Weights with those of a backbone in the place of their own."""
    rest = {key: value for key, value in tensors.items() if not key.startswith(BACKBONE)}
    return {**{f'{BACKBONE}{key}': v for key, v in backbone.state_dict().items()}, **rest}
