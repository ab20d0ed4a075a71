"""Registration of this package with mmengine, mmdet and mmseg."""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from labelenc_mm.toolbox.families import Finding, inspect_parts, mending_command

_registered = False
_warned: set[str] = set()


def toolbox_of(config: Mapping[str, Any]) -> str:
    """Whose config this is: its ``default_scope``, or without one what its model looks like."""
    return config.get('default_scope') or ('mmseg' if 'decode_head' in config['model'] else 'mmdet')


def require(*modules: str) -> None:
    """Make sure that parts of the toolbox can be used.

    Args:
        *modules (str): Import names, e.g. ``'mmdet'``.

    Raises:
        ImportError: A part is missing, doubled, too old, of the other family or fails to import;
            the message names it and the command that mends it.
    """
    findings = inspect_parts()
    for module in modules:
        finding = findings[module]
        if finding.is_fault:
            # Whatever else is at fault has to be mended with it; what is merely not installed
            # may be missing on purpose.
            others = (f for f in findings.values() if f is finding or f.state != 'missing')
            raise ImportError(
                f'labelenc_mm cannot use {finding} To mend it: {mending_command(others)}'
            )
        _warn_once(finding)
        error = try_import(module)
        if error is not None:
            raise ImportError(
                f'labelenc_mm cannot use {finding} Importing it failed with '
                f'{type(error).__name__}: {error}. See python -m labelenc_mm.toolbox.'
            ) from error


def try_import(module: str) -> Exception | None:
    """Import a module and return what went wrong, if anything.

    Beside ImportError, toolboxes assert each other's versions (AssertionError), and operators
    compiled for another torch raise OSError or RuntimeError.
    """
    try:
        importlib.import_module(module)
    except Exception as error:
        return error
    return None


def _warn_once(finding: Finding) -> None:
    if finding.state in ('ok', 'source', 'missing') or finding.part.module in _warned:
        return
    _warned.add(finding.part.module)
    advice = ' See python -m labelenc_mm.toolbox.' if finding.is_fault else ''
    warnings.warn(f'labelenc_mm: {finding}{advice}', stacklevel=3)


def register(root: Sequence[str], plugged_in: Mapping[str, Sequence[str]]) -> None:
    """Tell the installed toolboxes about this package; a second call does nothing.

    mmengine learns where ``mmseg::`` and ``labelenc_mm::`` configs live and loads checkpoints
    safely; our hooks, loops and wrappers enter its root registries; the registries of mmdet and
    mmseg import our models when they first look something up. Missing or faulty parts are left
    out (:func:`require` and the report say why), so that importing us never fails for them.

    Args:
        root (Sequence[str]): Modules whose import fills the root registries.
        plugged_in (Mapping[str, Sequence[str]]): Toolbox -> the modules of ours that its registries
            import.
    """
    global _registered
    if _registered:
        return
    _registered = True
    try:
        for finding in inspect_parts().values():
            _warn_once(finding)
        if try_import('mmengine.runner') is None:
            _extend_package_table()
            importlib.import_module('labelenc_mm.toolbox.checkpoint_sources').install()
            for module in root:
                importlib.import_module(module)
            for toolbox, modules in plugged_in.items():
                for ours in modules:
                    _plug_in(toolbox, ours)
    except BaseException:
        # An error of our own must surface at every import, not only at the first.
        _registered = False
        raise


def _extend_package_table() -> None:
    """Let mmengine resolve configs of mmseg (under both families) and of ourselves.

    mmengine looks a value of this table up as a distribution first, then as a module. No
    distribution is called ``mmseg`` in either family, so the module is found. Our own entry names
    a module below the package to the same effect: an editable install is a distribution too, but
    its files are not where upstream mmengine expects those of a distribution.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE.update(mmseg='mmseg', labelenc_mm='labelenc_mm.files')


def _plug_in(toolbox: str, ours: str) -> None:
    """Have the registries of a toolbox import our module together with their own."""
    if importlib.util.find_spec(toolbox) is None or importlib.util.find_spec(ours) is None:
        return
    if try_import(f'{toolbox}.registry') is not None:
        return
    from mmengine.registry import Registry

    registries = [
        value
        for value in vars(sys.modules[f'{toolbox}.registry']).values()
        if isinstance(value, Registry) and value.scope == toolbox
    ]
    for registry in registries:
        # In place: the registry may be importing its locations right now. An empty list means
        # something else to mmengine (register everything) and may be shared, so it stays empty.
        if registry._locations and ours not in registry._locations:
            registry._locations.append(ours)
    if any(registry._imported for registry in registries):
        importlib.import_module(ours)
