"""A stop before the backward pass of a loss that is not finite, on all processes at once."""

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from torch import Tensor


def stop_if_not_finite(log_vars: dict[str, Tensor]) -> None:
    """Raise on all ranks if a logged loss of any rank is NaN or infinite.

    Args:
        log_vars: What ``parse_losses`` returns for the log, the same keys on every rank.

    Raises:
        FloatingPointError: On every rank, naming the iteration and the losses.
    """
    names = [name for name in log_vars if 'loss' in name]
    values = torch.stack([log_vars[name].detach().float() for name in names])
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
