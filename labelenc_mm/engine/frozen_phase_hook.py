"""Training in two phases: first the classifier alone, then everything (e.g. Mostajabi et al., sec. 4).

In one run, distributed too. Parameters keep ``requires_grad``, which must not change once the optimizer
and DDP are built; while the phase lasts, the frozen parts compute no gradients, so their parameters
have none (None, not zero) and no optimizer moves them, whatever its weight decay or momentum.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from torch import nn

from labelenc_mm.engine.companions import HasCompanions, check_wrapper
from labelenc_mm.engine.module_paths import modules_at
from labelenc_mm.engine.schedule import Limit, TrainingWindow


@HOOKS.register_module()
class FrozenPhaseHook(HasCompanions, Hook):
    """Freeze parts of a model for a part of the training.

    In the phase the parts run in evaluation mode and without gradients, so that weights and running
    statistics do not change by a bit. Which phase it is follows from the iteration alone: a resumed run
    needs to know nothing more. Nothing that needs a gradient may come before the parts.

    Args:
        modules: Paths of the parts, as in ``named_modules()``; of a ``ModuleList``
            (``backbone.encoder`` of UNet) all modules are frozen.
        begin: First epoch (or iteration) of the phase, as in :class:`TrainingWindow`.
        end: First epoch (or iteration) after it; None for the end of the training.
        by_epoch: Whether ``begin`` and ``end`` count epochs.

    Raises:
        ValueError: When the training starts, if a path names nothing or a part without parameters, or if
            DDP does not look for unused parameters.
    """

    # After RuntimeInfoHook, which announces the iteration.
    priority = 'NORMAL'
    companions = {'find_unused_parameters': True}

    def __init__(
        self,
        modules: Sequence[str] = ('backbone',),
        begin: Limit = 0,
        end: Limit | None = None,
        by_epoch: bool = True,
    ) -> None:
        self.modules = (modules,) if isinstance(modules, str) else tuple(modules)
        names = ('FrozenPhaseHook.begin', 'FrozenPhaseHook.end', 'FrozenPhaseHook.by_epoch')
        self.window = TrainingWindow(begin, end, by_epoch, names)
        self._parts: list[nn.Module] = []
        self._handles: list[Any] = []
        self._is_frozen = False
        self._modes: dict[nn.Module, bool] = {}  # of all modules of the parts, before the phase
        self._grad_modes: list[bool] = []

    def before_train(self, runner: Any) -> None:
        """Find the parts and prepare them."""
        check_wrapper(runner.model, self)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._parts = modules_at(model, self.modules, 'FrozenPhaseHook')
        for module in (m for part in self._parts for m in _modules_that_run(part)):
            self._handles.append(module.register_forward_pre_hook(self._enter))
            self._handles.append(module.register_forward_hook(self._leave, always_call=True))
        # Weights may also be used without forward: an embedding's as a table of queries, say. Theirs goes
        # as soon as it is there, so that neither clipping nor DDP counts it.
        for parameter in self._parameters():
            handle = parameter.register_post_accumulate_grad_hook(self._after_gradient)
            self._handles.append(handle)

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Sequence[dict] | dict | None = None
    ) -> None:
        """Follow the phase; an epoch or a validation may have put the parts into training mode."""
        was_frozen, self._is_frozen = self._is_frozen, self.window.is_active()
        if self._is_frozen and not was_frozen:
            self._modes = {m: m.training for part in self._parts for m in part.modules()}
        if self._is_frozen != was_frozen:
            for parameter in self._parameters():
                parameter.grad = None  # of iterations before the change, where gradients accumulate
        if self._is_frozen:
            for part in self._parts:
                part.eval()
        elif was_frozen:
            self._restore_modes()

    def after_train(self, runner: Any) -> None:
        """Leave the model as it was."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if self._is_frozen:
            self._restore_modes()
        self._is_frozen = False

    def _parameters(self) -> set[nn.Parameter]:
        return {p for part in self._parts for p in part.parameters() if p.requires_grad}

    def _after_gradient(self, parameter: torch.Tensor) -> None:
        if self._is_frozen:
            parameter.grad = None

    def _restore_modes(self) -> None:
        """Each module as it was: a backbone may keep its normalisation in evaluation mode."""
        for module, mode in self._modes.items():
            module.training = mode

    def _enter(self, module: nn.Module, args: Any) -> None:
        self._grad_modes.append(torch.is_grad_enabled())
        if self._is_frozen:
            torch.set_grad_enabled(False)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        torch.set_grad_enabled(self._grad_modes.pop())


def _modules_that_run(part: nn.Module) -> Iterator[nn.Module]:
    """The part, or what it contains if it is a mere container, whose own hooks nothing calls."""
    if type(part).forward is not nn.Module.forward:
        yield part
        return
    for child in part.children():
        yield from _modules_that_run(child)
