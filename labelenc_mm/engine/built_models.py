"""What the config of a training builds: its model, and whether that is ours."""

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.model import PretrainedInit, revert_sync_batchnorm
from mmengine.registry import DefaultScope, Registry


def model_config(config: Config) -> ConfigDict:
    """A copy of the model's config as a Runner builds it.

    A data preprocessor may stand beside it instead of in it.
    """
    content = copy.deepcopy(config.to_dict())
    model = ConfigDict(content['model'])
    if content.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', content['data_preprocessor'])
    return model


def entry_of(config: Any, registry: Registry) -> Any:
    """What a config builds: the class or function that its ``type`` is or names, None if unknown."""
    kind = config.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def builds_a(base: type, config: Any, registry: Registry) -> bool:
    """Whether a config builds an instance of a class."""
    entry = entry_of(config, registry)
    return isinstance(entry, type) and issubclass(entry, base)


def is_ours(config: Any, registry: Registry) -> bool:
    """Whether a config builds something of this package."""
    module = getattr(entry_of(config, registry), '__module__', '')
    return module.split('.')[0] == 'labelenc_mm'


def loads_a_checkpoint(init_cfg: Any) -> bool:
    """Whether an entry of a module's ``init_cfg`` takes its weights from a file."""
    return isinstance(init_cfg, dict) and init_cfg.get('type') in ('Pretrained', PretrainedInit)


def build_model(model: Mapping[str, Any], models: Registry, scope: str) -> Any:
    """Build a model of a :func:`model_config` for comparison, whatever it would be initialised from."""
    with DefaultScope.overwrite_default_scope(scope):
        # As the Runner does outside a distributed run, where both will be used.
        return revert_sync_batchnorm(models.build(copy.deepcopy(model)))
