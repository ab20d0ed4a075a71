"""Companions of a model: the entries that the config of its training needs beside ``model``.

Its class declares them. ``tools/train.py`` and ``tools/test.py`` put into a config what is missing (see
:mod:`labelenc_mm.command_line.companions`); under any other tool the model finds at its first loss that its
hook is not there, and names the lines to add.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmengine.logging import MessageHub, print_log
from torch import Tensor, nn

# The mixin stands before a model's class in the bases; type checkers see the model.
if TYPE_CHECKING:
    from mmengine.model import BaseModel as _Model
else:
    _Model = object

_TOLD = 'labelenc_mm: hooks that are missing'
"""Names of those that a training has been told of, in its MessageHub."""


class HasCompanions:
    """Base of what cannot be trained as its paper says by its own entry in the config alone."""

    companions: Mapping[str, Any] = {}
    """``default_hooks`` by name, ``val_cfg`` where the plain ValLoop would stand, and
    ``find_unused_parameters`` where parameters rest for a while. Types have their scope: they are used in
    configs of any."""
    is_attended = False
    """Whether its hook is there, or its absence has been told; the hook calls :func:`attend`."""

    @classmethod
    def companions_of(cls, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The companions of what a config builds, where they depend on its options.

        Args:
            config: The entry that names this class.
        """
        return cls.companions

    def tell_missing(self) -> None:
        """Warn once if a training runs without the hook; call it with a loss."""
        if self.is_attended:
            return
        self.is_attended = True
        hub = MessageHub.get_current_instance()
        if hub.get_info('cfg') is None:
            return  # no Runner, and so no hooks
        hooks = self.companions['default_hooks'].values()
        names = ' and '.join(hook['type'].rpartition('.')[2] for hook in hooks)
        told = hub.get_info(_TOLD, ())
        if names in told:
            return  # by another part of the model
        hub.update_info(_TOLD, (*told, names), resumed=False)
        lines = '\n'.join(f'{key} = {_source(value)}' for key, value in self.companions.items())
        print_log(
            f'{type(self).__name__} trains without {names}: its data are not looked at, and it will not '
            'leave its files. tools/train.py of labelenc_mm adds what a config lacks. For this tool add to '
            f'the config what it has not:\n{lines}',
            'current',
            logging.WARNING,
        )


class ModelWithCompanions(HasCompanions, _Model):
    """A model that says what its training lacks."""

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses as the model does."""
        self.tell_missing()
        return super().parse_losses(losses)


def attend(model: nn.Module) -> None:
    """Let a model, and its parts, know that their hook is there.

    Args:
        model: As the Runner has it, in its wrapper.

    Raises:
        ValueError: The wrapper is none that they can be trained in.
    """
    for module in model.modules():
        if isinstance(module, HasCompanions):
            module.is_attended = True
            check_wrapper(model, module)


def check_wrapper(wrapper: nn.Module, declares: HasCompanions) -> None:
    """Refuse DDP that would stop once parameters rest, of something that declares that they do.

    Raises:
        ValueError: It does not look for them.
    """
    rests = declares.companions.get('find_unused_parameters')
    if rests and not getattr(wrapper, 'find_unused_parameters', True):
        raise ValueError(
            f'{type(declares).__name__} leaves parameters without gradients for a while, which DDP takes '
            'for an error: set find_unused_parameters = True in the config, or in its model_wrapper_cfg if '
            'it has one'
        )


def _source(value: Any) -> str:
    """As it is written in a config."""
    if isinstance(value, Mapping):
        return f'dict({", ".join(f"{key}={_source(item)}" for key, item in value.items())})'
    return repr(value)
