"""The config of the stock model: that of a training, without what is ours."""

import copy
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import MODEL_WRAPPERS, Registry

from labelenc_mm.engine.built_models import builds_a, entry_of, is_ours, model_config
from labelenc_mm.handover.comparison import StockName
from labelenc_mm.handover.frozen_part import FrozenPart
from labelenc_mm.networks.named_features import as_list


def stock_model(config: Config, models: Registry, subtree: str) -> ConfigDict:
    """A copy of the model's config, of the stock class and without what is ours.

    Ours are the option ``subtree`` and frozen parts among the model's own, such as auxiliary heads.
    """
    model = model_config(config)
    model['type'] = getattr(entry_of(model, models), 'stock_type', model['type'])
    model.pop(subtree, None)
    for key, parts in list(model.items()):
        ours = _frozen_indices(parts, models)
        if not ours:
            continue
        kept = [part for i, part in enumerate(as_list(parts)) if i not in ours]
        # A part that is no list has no number, nor have its weights. A list of one has, but what was
        # a list before ours joined it cannot be told.
        model[key] = kept[0] if len(kept) == 1 else kept
        if not kept:
            del model[key]
    return model


def stock_names(config: Config, models: Registry, subtree: str) -> StockName:
    """What a tensor of the trained model is called in the stock one, None for one that is ours."""
    prefixes: dict[str, str | None] = {f'{subtree}.': None}
    for key, parts in config.model.items():
        ours = _frozen_indices(parts, models)
        if not ours:
            continue
        if not isinstance(parts, list | tuple):
            prefixes[f'{key}.'] = None
            continue
        kept = [index for index in range(len(parts)) if index not in ours]
        for index in range(len(parts)):
            new = f'{key}.{kept.index(index)}.' if index in kept else None
            prefixes[f'{key}.{index}.'] = f'{key}.' if new and len(kept) == 1 else new

    def stock_name(key: str) -> str | None:
        for old, new in prefixes.items():
            if key.startswith(old):
                return None if new is None else new + key[len(old) :]
        return key

    return stock_name


def _frozen_indices(parts: Any, models: Registry) -> set[int]:
    """Which of the configs of a model's parts, one or a list, build a frozen part."""
    return {
        index
        for index, part in enumerate(as_list(parts))
        if isinstance(part, Mapping) and 'type' in part and builds_a(FrozenPart, part, models)
    }


def config_without_ours(
    config: Config, model: dict, models: Registry, hooks: Registry, loops: Registry
) -> Config:
    """A training's config without hooks, loops, wrappers and imports of ours.

    Hooks that take the place of one of the toolbox give it back. A transform of ours stays in the
    training data, without the import: the config serves inference, which does not build them.

    Args:
        config: Config of the training.
        model: The stock model's config, which takes the place of the trained one's. If a part of it is
            ours (a backbone, a head), the import of this package stays.
        models: The toolbox's registry of models.
        hooks: Its registry of hooks.
        loops: Its registry of loops.
    """
    result = copy.deepcopy(config.to_dict())
    result['model'] = model
    hook_configs = result.get('default_hooks') or {}
    for name, hook in list(hook_configs.items()):
        if hook and is_ours(hook, hooks):
            stock_type = getattr(entry_of(hook, hooks), 'stock_type', None)
            if stock_type is None:
                del hook_configs[name]
            else:
                hook['type'] = stock_type
    if result.get('custom_hooks'):
        result['custom_hooks'] = [h for h in result['custom_hooks'] if not is_ours(h, hooks)]
    for key, default in (
        ('train_cfg', 'EpochBasedTrainLoop'),
        ('val_cfg', 'ValLoop'),
        ('test_cfg', 'TestLoop'),
    ):
        if result.get(key) and is_ours(result[key], loops):
            result[key]['type'] = default
    if result.get('model_wrapper_cfg') and is_ours(result['model_wrapper_cfg'], MODEL_WRAPPERS):
        del result['model_wrapper_cfg']
    imports = result.get('custom_imports')
    if imports and not _holds_ours(model, models):
        names = imports['imports']
        names = [names] if isinstance(names, str) else names
        imports['imports'] = [name for name in names if name.split('.')[0] != 'labelenc_mm']
        if not imports['imports']:
            del result['custom_imports']
    result.update(load_from=None, resume=False)
    result.pop('work_dir', None)
    return Config(_with_named_types(result))


def _with_named_types(config: Any) -> Any:
    """A config whose classes and functions are names, without which its text could not be read again."""
    if isinstance(config, Mapping):
        return {key: _with_named_types(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_with_named_types(value) for value in config)
    if isinstance(config, type | FunctionType):
        return f'{config.__module__}.{config.__qualname__}'
    return config


def _holds_ours(config: Any, models: Registry) -> bool:
    """Whether a config, or one inside it, builds a model of this package."""
    if isinstance(config, Mapping):
        if 'type' in config and is_ours(config, models):
            return True
        config = list(config.values())
    return isinstance(config, list | tuple) and any(_holds_ours(c, models) for c in config)
