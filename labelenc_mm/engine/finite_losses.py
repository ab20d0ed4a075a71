"""A stop before the backward pass of a loss that is not finite, on all processes at once."""

from typing import TYPE_CHECKING

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from torch import Tensor

# The mixin stands before a model's class in the bases; type checkers see the model.
if TYPE_CHECKING:
    from mmengine.model import BaseModel as _Model
else:
    _Model = object


class StopIfNotFiniteMixin(_Model):
    """Stops a training before the backward pass of a loss that is not finite."""

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses as the model does.

        Raises:
            FloatingPointError: On every rank, naming the iteration and the losses.
        """
        loss, log_vars = super().parse_losses(losses)
        stop_if_not_finite(log_vars)
        return loss, log_vars


def stop_if_not_finite(log_vars: dict[str, Tensor]) -> None:
    """Raise on all ranks if a logged loss of any rank is NaN or infinite.

    Args:
        log_vars: What ``parse_losses`` returns for the log, the same keys on every rank.

    Raises:
        FloatingPointError: On every rank, naming the iteration and the losses.
    """
    names = [name for name in log_vars if 'loss' in name]
    # An empty list of losses adds up to a plain 0; the sum of all is a tensor.
    zero = log_vars['loss'].new_zeros((), dtype=torch.float32)
    values = torch.stack([zero + log_vars[name] for name in names]).detach()
    is_bad = (~torch.isfinite(values)).to(torch.float32)
    all_reduce(is_bad, op='max')  # ranks have the same keys in the same order
    if is_bad.any():
        bad = [name for name, flag in zip(names, is_bad.tolist(), strict=True) if flag]
        iteration = MessageHub.get_current_instance().get_info('iter')
        raise FloatingPointError(
            f'iteration {iteration}: not finite on at least one process: {", ".join(bad)}. Training '
            'stops before the backward pass, the last checkpoint is intact. Lower the learning rate, '
            'lengthen the warm-up or clip gradients (optim_wrapper.clip_grad), and under AMP try bf16; '
            'then --resume.'
        )
