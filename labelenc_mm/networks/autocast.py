"""Mixed precision for networks that nothing normalises, whose features may leave the range of float16."""

from contextlib import AbstractContextManager

import torch


def without_float16(device_type: str) -> AbstractContextManager:
    """A context in which bfloat16 of a surrounding autocast stays and float16 gives way to float32.

    Args:
        device_type: 'cpu' or 'cuda'.
    """
    is_bfloat16 = _autocast_dtype(device_type) is torch.bfloat16
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=is_bfloat16)


def _autocast_dtype(device_type: str) -> torch.dtype | None:
    """The dtype of the surrounding autocast, None outside one."""
    if hasattr(torch, 'get_autocast_dtype'):  # PyTorch >= 2.4, where the other names warn
        enabled = torch.is_autocast_enabled(device_type)
        return torch.get_autocast_dtype(device_type) if enabled else None
    if device_type == 'cuda':
        return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None
    return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
