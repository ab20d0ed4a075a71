"""One grammar for the features of a model, and a recorder that reads them off a running forward pass.

========================== ============================================================================
name                       feature
========================== ============================================================================
``backbone.3``             output 3 of the backbone, counted from 0; -1 is the last one
``backbone.conv5_3``       its output of this name, for a backbone with named ``taps``
``backbone.*``             all its outputs, for a backbone with named ``taps``: the hypercolumn
``neck.0``                 output 0 of the neck
``decode_head.classifier`` what enters the classifier layer (``conv_seg``) of the decode head, e.g. the
                           pooled feature of PSPNet; of the last stage in a cascade
``decode_head.0.classifier`` the same of stage 0 of a cascade
========================== ============================================================================
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

CLASSIFIER = 'classifier'
ALL_TAPS = 'backbone.*'
_GRAMMAR = (
    "Features are called 'backbone.<index or tap>', 'neck.<index or tap>' or 'decode_head.classifier' "
    "('decode_head.<stage>.classifier' in a cascade)"
)


class FeatureRecorder:
    """Keeps named features of a model while its own forward pass computes them.

    Args:
        model: A module with children ``backbone``, ``decode_head`` and perhaps ``neck``.
        names: Feature names as in the docstring of the module.

    Raises:
        ValueError: A name does not follow the grammar, or the model lacks what it names.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._sources = {name: _find_source(model, name) for name in self.names}

    def classifier_channels(self) -> dict[str, int]:
        """Channels of those features that enter a classifier, as its weight tells them."""
        return {
            name: module.get_parameter('weight').shape[1]
            for name, (module, key) in self._sources.items()
            if key == CLASSIFIER
        }

    @contextmanager
    def record(self) -> Iterator[dict[str, Tensor]]:
        """Record inside a ``with`` block.

        Yields:
            A dict that has, when the block ends, one (N, C, h, w) tensor a name, attached to the graph.
            Where a module runs several times, its first run counts.

        Raises:
            ValueError: When the block ends, if a feature was not computed or is no such tensor.
        """
        features: dict[str, Tensor] = {}
        handles = []
        for name, (module, key) in self._sources.items():
            handles.append(_watch(module, name, key, features))
        try:
            yield features
        finally:
            for handle in handles:
                handle.remove()
        for name in self.names:
            if name not in features:
                raise ValueError(
                    f'feature {name!r}: the model does not run its '
                    f'{type(self._sources[name][0]).__name__} there. {_GRAMMAR}'
                )


def expand_names(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Write ``backbone.*`` out as the names of all taps; other names stay as they are.

    Raises:
        ValueError: The backbone has no named taps.
    """
    expanded: list[str] = []
    for name in names:
        if name != ALL_TAPS:
            expanded.append(name)
            continue
        backbone = model.get_submodule('backbone')
        taps = getattr(backbone, 'taps', ())
        if not taps:
            raise ValueError(
                f'feature {name!r}: {type(backbone).__name__} has no named taps. Name its outputs one by '
                "one: 'backbone.0', 'backbone.1'"
            )
        expanded += [f'backbone.{tap}' for tap in taps]
    return expanded


def _find_source(model: nn.Module, name: str) -> tuple[nn.Module, int | str]:
    """The module that a feature is an output of (or input, for a classifier), and which output."""
    part, *keys = name.split('.') if isinstance(name, str) else (name,)
    if part not in ('backbone', 'neck', 'decode_head') or not keys or not all(keys):
        raise ValueError(f'feature name {name!r} is unknown. {_GRAMMAR}')
    module = getattr(model, part, None)
    if module is None:
        raise ValueError(f'feature {name!r}: {type(model).__name__} has no {part}. {_GRAMMAR}')
    if part == 'decode_head':
        return _find_classifier(module, name, keys), CLASSIFIER
    key = '.'.join(keys)
    taps = list(getattr(module, 'taps', ()))
    if key in taps:
        return module, taps.index(key)
    try:
        return module, int(key)
    except ValueError:
        known = f'its taps are {taps}' if taps else 'its outputs have no names, only indices'
        raise ValueError(
            f'feature {name!r}: {type(module).__name__} has no output {key!r}; {known}. {_GRAMMAR}'
        ) from None


def _find_classifier(head: nn.Module, name: str, keys: Sequence[str]) -> nn.Module:
    *stage, last = keys
    if last != CLASSIFIER or len(stage) > 1:
        raise ValueError(f'feature name {name!r} is unknown. {_GRAMMAR}')
    if isinstance(head, nn.ModuleList):
        stages = [str(index) for index in range(len(head))]
        if stage and stage[0] not in stages:
            raise ValueError(f'feature {name!r}: the cascade has the stages {", ".join(stages)}')
        head = head[int(stage[0])] if stage else head[-1]
    elif stage:
        raise ValueError(f"feature {name!r}: no cascade; write 'decode_head.{CLASSIFIER}'")
    classifier = getattr(head, 'conv_seg', None)
    if not isinstance(classifier, nn.Module):
        raise ValueError(
            f'feature {name!r}: {type(head).__name__} has no classifier layer conv_seg. Name an output '
            'of the backbone or of the neck instead'
        )
    return classifier


def _watch(module: nn.Module, name: str, key: int | str, features: dict[str, Tensor]) -> Any:
    """Hook a module so that its feature enters the dict."""

    def keep(feature: Any) -> None:
        if not isinstance(feature, Tensor) or feature.dim() != 4:
            shape = tuple(feature.shape) if isinstance(feature, Tensor) else type(feature).__name__
            raise ValueError(f'feature {name!r} must be a (N, C, h, w) map, got {shape}')
        features[name] = feature

    def before(module: nn.Module, inputs: tuple) -> None:
        if name not in features:
            keep(inputs[0])

    def after(module: nn.Module, inputs: tuple, outputs: Any) -> None:
        if name in features:
            return
        assert isinstance(key, int)
        levels = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        if not -len(levels) <= key < len(levels):
            raise ValueError(
                f'feature {name!r}: {type(module).__name__} has {len(levels)} outputs, 0 to '
                f'{len(levels) - 1}'
            )
        keep(levels[key])

    if key == CLASSIFIER:
        return module.register_forward_pre_hook(before)
    return module.register_forward_hook(after)
