"""A trained model for the tools that look at it: built from its config, with the weights of a checkpoint."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import load_checkpoint

from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.engine.built_models import build_model, model_config
from labelenc_mm.files import is_remote
from labelenc_mm.toolbox.safe_loading import CheckpointError


def load_trained(
    config: Config, checkpoint: str, models: Registry, scope: str, device: str, hint: str
) -> tuple[Any, dict[str, Any]]:
    """Build the model of a config with the weights of a checkpoint, for evaluation.

    Args:
        config: Of the training.
        checkpoint: One of its checkpoints: a file, a URL, or mmengine's ``last_checkpoint``.
        models: The toolbox's registry of models.
        scope: Name of the toolbox.
        device: Where the model will be.
        hint: What the user may have confused, if the weights do not fit.

    Returns:
        The model, and the meta information of the checkpoint.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        CheckpointError: It is damaged or unsafe.
        ValueError: It does not fit the config.
    """
    checkpoint = follow_record(checkpoint)
    if not is_remote(checkpoint) and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'Checkpoint {checkpoint!r} does not exist.')
    model = build_model(model_config(config), models, scope)
    try:
        content = load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    except CheckpointError:
        raise
    except RuntimeError as error:
        raise ValueError(f'{checkpoint} does not fit the config ({hint}): {error}') from error
    return model.to(device).eval(), content.get('meta') or {}
