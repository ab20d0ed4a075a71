"""Features of a model by name: one grammar, and a recorder that reads them off a running forward pass.

=========================== ===========================================================================
name                        feature
=========================== ===========================================================================
``backbone.3``              output 3 of the backbone, counted from 0; -1 is the last one
``backbone.conv5_3``        its output of this name, for a backbone with named ``taps``
``backbone.layer3.5``       what a module inside it gives out, by its path as in ``named_modules()``
``backbone.*``              all its outputs
``neck.0``                  output 0 of the neck; the other forms likewise
``decode_head.classifier``  what enters the classifier layer (``conv_seg``) of the decode head, e.g. the
                            pooled feature of PSPNet; of the last stage in a cascade
``decode_head.0.classifier`` the same of stage 0 of a cascade
=========================== ===========================================================================

Inside a backbone, where its taps are chosen, the same names are written without ``backbone.``, and its own
outputs as ``output0``, ``output1``, …, for ``0`` may be a module.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from labelenc_mm.errors import LabelEncMMError

ALL = '*'
CLASSIFIER = 'classifier'
_OUTPUT = re.compile(r'output(\d+)')
_INDEX = re.compile(r'(?:output)?(-?\d+)')
_GRAMMAR = (
    "Features are called 'backbone.<index, tap, module or *>', 'neck.<index, module or *>' or "
    "'decode_head.classifier' ('decode_head.<stage>.classifier' in a cascade)"
)


class FeatureError(LabelEncMMError, ValueError):
    """A name that does not follow the grammar, or names what a model does not have or compute."""


class FeatureRecorder:
    """Keeps named features of a model while its own forward pass computes them.

    Args:
        model: A module with children ``backbone`` and perhaps ``neck`` and ``decode_head``.
        names: Feature names as in the docstring of the module.
        inside: Whether ``model`` is a backbone and the names are paths of modules inside it.

    Raises:
        FeatureError: A name does not follow the grammar, or the model lacks what it names.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], inside: bool = False) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._sources: dict[str, _Source] = {}
        for name in self.names:
            if inside:
                title = f'tap {name!r} of {type(model).__name__}'
                self._sources[name] = _Source(title, model.get_submodule(name))
            else:
                self._sources[name] = _find_source(model, name)

    def classifier_channels(self) -> dict[str, int]:
        """Channels of those features that enter a classifier, as its weight tells them."""
        return {
            name: source.module.get_parameter('weight').shape[1]
            for name, source in self._sources.items()
            if source.key == CLASSIFIER
        }

    @contextmanager
    def record(self) -> Iterator[dict[str, Any]]:
        """Record inside a ``with`` block.

        Yields:
            A dict that has, when the block ends, one (N, C, h, w) tensor a name, attached to the graph,
            or a list of them for ``*``. Where a backbone, a neck or a classifier runs several times, its
            first run counts.

        Raises:
            FeatureError: At the latest when the block ends: a feature was not computed or is no such
                tensor, or a module inside a backbone runs several times or gives out what is changed
                in place later.
        """
        features: dict[str, Any] = {}
        versions: dict[str, int | None] = {}
        # Only while it runs: a copy of the model (EMA) would take permanent hooks along, and they would
        # fill the original's dict.
        handles = [source.watch(name, features, versions) for name, source in self._sources.items()]
        try:
            yield features
        finally:
            for handle in handles:
                handle.remove()
        for name, source in self._sources.items():
            if name not in features:
                raise FeatureError(
                    f'{source.title}: the model does not run its {type(source.module).__name__} there. '
                    f'{_GRAMMAR}'
                )
            if name in versions and versions[name] != _version(features[name]):
                raise FeatureError(
                    f'{source.title} is changed in place after it was computed, as by an in-place ReLU: '
                    'name the module that does so'
                )


def as_list(value: Any) -> list[Any]:
    """What a module gives out, or what a config names: one of it, or several in a list or tuple."""
    return list(value) if isinstance(value, list | tuple) else [value]


def own_output(name: str) -> int | None:
    """The number of a backbone's own output that is called ``output<number>``; None for other names."""
    found = _OUTPUT.fullmatch(name)
    return int(found[1]) if found else None


def pick_output(outputs: Any, index: int, title: str, module: nn.Module) -> Tensor:
    """One of the maps that a module gives out.

    Args:
        outputs: What it gives out, a tensor or several.
        index: Which; negative ones count from the end.
        title: What is picked, for messages.
        module: The module, for messages.

    Raises:
        FeatureError: There is no such output, or it is no map.
    """
    levels = as_list(outputs)
    if not -len(levels) <= index < len(levels):
        raise FeatureError(
            f'{title}: {type(module).__name__} has {len(levels)} outputs, 0 to {len(levels) - 1}'
        )
    return _as_map(levels[index], title)


@dataclass(frozen=True)
class _Source:
    """Where a feature comes from.

    Attributes:
        title: What it is called in messages.
        module: The module that gives it out, or takes it.
        key: Index of the output, ``*`` for all, ``classifier`` for the input; None for the one map that a
            module inside a backbone gives out.
    """

    title: str
    module: nn.Module
    key: int | str | None = None

    def watch(self, name: str, features: dict[str, Any], versions: dict[str, int | None]) -> Any:
        """Hook the module so that the feature enters the dict, and how often it was changed by then."""

        def before(module: nn.Module, inputs: tuple) -> None:
            if name not in features:
                features[name] = _as_map(inputs[0], self.title)

        def after(module: nn.Module, inputs: tuple, outputs: Any) -> None:
            if name not in features:
                features[name] = self._pick(outputs)
                if self.key is None:
                    versions[name] = _version(features[name])
            elif self.key is None:
                raise FeatureError(
                    f'{self.title} runs more than once in a forward pass: name the module that uses it'
                )

        if self.key == CLASSIFIER:
            return self.module.register_forward_pre_hook(before)
        return self.module.register_forward_hook(after)

    def _pick(self, outputs: Any) -> Tensor | list[Tensor]:
        if self.key is None:
            return _as_map(outputs, self.title)
        if isinstance(self.key, int):
            return pick_output(outputs, self.key, self.title, self.module)
        return [_as_map(level, self.title) for level in as_list(outputs)]


def _find_source(model: nn.Module, name: str) -> _Source:
    """The module that a feature is an output of (or input, for a classifier), and which output."""
    part, _, key = name.partition('.') if isinstance(name, str) else (name, '', '')
    if part not in ('backbone', 'neck', 'decode_head') or not all(key.split('.')):
        raise FeatureError(f'feature name {name!r} is unknown. {_GRAMMAR}')
    title = f'feature {name!r}'
    module = getattr(model, part, None)
    if module is None:
        raise FeatureError(f'{title}: {type(model).__name__} has no {part}. {_GRAMMAR}')
    if part == 'decode_head':
        return _Source(title, _find_classifier(module, name, key.split('.')), CLASSIFIER)
    taps = list(getattr(module, 'taps', ()))
    if key in taps:
        return _Source(title, module, taps.index(key))
    if key == ALL:
        return _Source(title, module, ALL)
    index = _INDEX.fullmatch(key)
    # With taps, "output0" would be taken for what the backbone gives out without them.
    if index and (not taps or _OUTPUT.fullmatch(key) is None):
        return _Source(title, module, int(index[1]))
    try:
        return _Source(title, module.get_submodule(key))
    except AttributeError:
        known = f'its taps are {taps}' if taps else 'its outputs have no names, only indices'
        children = ', '.join(child for child, _ in module.named_children())
        raise FeatureError(
            f'{title}: {type(module).__name__} has no output or module {key!r}; {known}, its children '
            f'are {children}. {_GRAMMAR}'
        ) from None


def _find_classifier(head: nn.Module, name: str, keys: Sequence[str]) -> nn.Module:
    *stage, last = keys
    if last != CLASSIFIER or len(stage) > 1:
        raise FeatureError(f'feature name {name!r} is unknown. {_GRAMMAR}')
    if isinstance(head, nn.ModuleList):
        stages = [str(index) for index in range(len(head))]
        if stage and stage[0] not in stages:
            raise FeatureError(f'feature {name!r}: the cascade has the stages {", ".join(stages)}')
        head = head[int(stage[0])] if stage else head[-1]
    elif stage:
        raise FeatureError(f"feature {name!r}: no cascade; write 'decode_head.{CLASSIFIER}'")
    classifier = getattr(head, 'conv_seg', None)
    if not isinstance(classifier, nn.Module):
        raise FeatureError(
            f'feature {name!r}: {type(head).__name__} has no classifier layer conv_seg. Name an output '
            'of the backbone or of the neck instead'
        )
    return classifier


def _as_map(value: Any, title: str) -> Tensor:
    if not isinstance(value, Tensor) or value.dim() != 4:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise FeatureError(f'{title} must be a (N, C, h, w) map, got {shape}')
    return value


def _version(feature: Tensor) -> int | None:
    """How often a tensor was changed in place; unknown in inference mode."""
    return None if feature.is_inference() else feature._version
