"""Completing a config: the hooks, the validation loop and the wrapper that its model declares.

See :class:`labelenc_mm.engine.companions.HasCompanions`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import HOOKS, MODEL_WRAPPERS, MODELS, Registry
from mmengine.runner import ValLoop

from labelenc_mm.engine.built_models import builds_a, entry_of

# As configs spell mmengine's loop that do not mean it; 'mmengine.ValLoop' is one of choice.
_PLAIN_LOOPS = ('ValLoop', ValLoop, f'{ValLoop.__module__}.ValLoop')
_WRAPPER = 'CPUCapableDistributedDataParallel'


def add_companions(cfg: Config) -> None:
    """Put into a config what its model and hooks declare and it does not have.

    A hook of the declared class, also one derived from it, or another loop than mmengine's stands.

    Args:
        cfg: Complete config of a Runner, changed in place.
    """
    scope = cfg.get('default_scope')
    with MODELS.switch_scope_and_registry(scope) as models:
        declared = [*_declared(cfg.get('model'), models)]
    with HOOKS.switch_scope_and_registry(scope) as hooks:
        for companions in declared:
            for name, hook in companions.get('default_hooks', {}).items():
                _add_hook(cfg, name, hook, hooks)
        declared += _declared(_hooks(cfg), hooks)
    for companions in declared:
        loop = cfg.get('val_cfg')
        if 'val_cfg' in companions and loop and loop.get('type', 'ValLoop') in _PLAIN_LOOPS:
            loop.update(companions['val_cfg'])
    if cfg.get('launcher', 'none') != 'none':
        rests = any(companions.get('find_unused_parameters') for companions in declared)
        _choose_wrapper(cfg, rests)


def has_hook(cfg: Config, base: type, registry: Registry) -> bool:
    """Whether a config has a hook of a class, or of one derived from it."""
    return any(
        builds_a(base, hook, registry) if isinstance(hook, Mapping) else isinstance(hook, base)
        for hook in _hooks(cfg)
    )


def _hooks(cfg: Config) -> list[Any]:
    return [*(cfg.get('custom_hooks') or []), *(cfg.get('default_hooks') or {}).values()]


def _declared(config: Any, registry: Registry) -> Iterator[Mapping[str, Any]]:
    """Companions of what a config builds, or else of what it holds."""
    if isinstance(config, Mapping):
        declare = config.get('type') and getattr(entry_of(config, registry), 'companions_of', None)
        if declare:
            yield declare(config)
            return
        config = list(config.values())
    if isinstance(config, list | tuple):
        for item in config:
            yield from _declared(item, registry)


def _add_hook(cfg: Config, name: str, hook: Mapping[str, Any], registry: Registry) -> None:
    """Add a hook to ``default_hooks``; options that stand there under its name are its."""
    named = (cfg.get('default_hooks') or {}).get(name)
    if isinstance(named, dict):
        named.setdefault('type', hook['type'])
    if not has_hook(cfg, entry_of(hook, registry), registry):
        if not cfg.get('default_hooks'):
            cfg.default_hooks = {}
        cfg.default_hooks[name] = ConfigDict(hook)


def _choose_wrapper(cfg: Config, rests: bool) -> None:
    """Have a distributed run train where mmengine's own wrapper would fail.

    Args:
        cfg: The config.
        rests: Whether parameters have no gradient for a while, which DDP takes for an error.
    """
    given = cfg.get('model_wrapper_cfg')
    # mmengine reads this entry where there is no wrapper.
    wrapper = given or {'find_unused_parameters': cfg.get('find_unused_parameters', rests)}
    is_plain = 'type' not in wrapper or (
        entry_of(wrapper, MODEL_WRAPPERS) is MMDistributedDataParallel
    )
    if rests and (is_plain or builds_a(MMDistributedDataParallel, wrapper, MODEL_WRAPPERS)):
        wrapper.setdefault('find_unused_parameters', True)
    if is_plain and (get_device() == 'cpu' or (rests and not given)):
        wrapper['type'] = _WRAPPER
    if given or 'type' in wrapper:
        cfg.model_wrapper_cfg = wrapper
