"""Models that the config of a training builds, and whether they are ours."""

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
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
    """What a config builds: the class or function that its ``type`` is or names, None if unknown.

    A type has many spellings: ``FPN``, ``mmdet.FPN``, ``mmdet.models.necks.fpn.FPN`` (as mmengine dumps the
    classes of a config in the new style), the class itself. Compared is what they mean.
    """
    kind = config.get('type')
    return registry.get(kind) if isinstance(kind, str) else kind


def class_name(kind: str, registry: Registry) -> str:
    """The class that a type means which was read from a file: nothing is imported at its word."""
    name = kind.rpartition('.')[2]
    return getattr(registry.module_dict.get(name), '__name__', name)


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
    # Some backbones take the file without a type and load it by themselves.
    return isinstance(init_cfg, dict) and 'checkpoint' in init_cfg


def drop_pretrained(config: dict) -> None:
    """Take the entries that load a file out of a module's ``init_cfg``, one or a list of them."""
    init_cfg = config.get('init_cfg')
    entries = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
    kept = [entry for entry in entries if not loads_a_checkpoint(entry)]
    if len(kept) < len(entries):
        del config['init_cfg']  # what the class does by itself, unless something is left
        if kept:
            config['init_cfg'] = kept


def build_model(model: Mapping[str, Any], models: Registry, scope: str) -> Any:
    """Build a model of a :func:`model_config` for comparison, whatever it would be initialised from."""
    with DefaultScope.overwrite_default_scope(scope):
        # As the Runner does outside a distributed run, where both will be used.
        return revert_sync_batchnorm(models.build(copy.deepcopy(model)))
