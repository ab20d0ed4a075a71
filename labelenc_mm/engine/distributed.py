"""Distributed training on machines with and without a GPU.

mmengine's launcher selects a CUDA device, its Runner gives DDP ``device_ids``, and SyncBN refuses
CPU modules. These two parts cope with a machine that has only CPUs; with a GPU they change nothing.
"""

import atexit
import datetime
import os
from typing import Any

import torch.distributed as dist
from mmengine.device import get_device
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from torch import nn


@MODEL_WRAPPERS.register_module()
class CPUCapableDistributedDataParallel(MMDistributedDataParallel):
    """``MMDistributedDataParallel`` that also takes a module on CPU.

    On CPU, SyncBN layers become plain BN (statistics per process) and ``device_ids`` is dropped.

    Args:
        module (nn.Module): The model.
        broadcast_buffers (bool): As in DDP. Off by default, as mmengine has it for a config without
            ``model_wrapper_cfg``; DDP's own default would send rank 0's BN statistics to all.
        **kwargs: As in ``MMDistributedDataParallel``, e.g. ``find_unused_parameters``.
    """

    def __init__(self, module: nn.Module, broadcast_buffers: bool = False, **kwargs: Any) -> None:
        tensors = (*module.parameters(), *module.buffers())
        if all(tensor.device.type == 'cpu' for tensor in tensors):
            module = revert_sync_batchnorm(module)
            kwargs.update(device_ids=None, output_device=None)
        super().__init__(module=module, broadcast_buffers=broadcast_buffers, **kwargs)


def init_distributed(launcher: str, dist_cfg: dict | None = None) -> None:
    """Start the process group where mmengine cannot; call it before the Runner is built.

    With a GPU, or a process group that is there already, this leaves everything to mmengine.

    Args:
        launcher (str): ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        dist_cfg (dict, optional): ``env_cfg.dist_cfg`` of the config. On CPU its ``timeout``
            (seconds) is used; the backend is gloo whatever it says.

    Raises:
        RuntimeError: The processes would not know of each other: several of them but launcher
            ``none``, or a launcher whose environment variables are missing.
    """
    if launcher == 'none':
        world_size = os.environ.get('WORLD_SIZE', '1')
        if dist.is_available() and dist.is_initialized():
            world_size = str(dist.get_world_size())
        if world_size != '1':
            raise RuntimeError(
                f'Launcher "none", but this is one of {world_size} processes (process group or '
                'WORLD_SIZE). Each would train a model of its own. Pass --launcher pytorch, or '
                'unset WORLD_SIZE to train in one process.'
            )
        return
    if launcher == 'pytorch':
        missing = [name for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK') if name not in os.environ]
        if missing:
            raise RuntimeError(
                f'Launcher "pytorch", but {", ".join(missing)} is not set. Start through '
                'tools/dist_train.sh, tools/dist_test.sh or torchrun.'
            )
    if get_device() != 'cpu' or (dist.is_available() and dist.is_initialized()):
        return
    if launcher != 'pytorch':
        raise RuntimeError(
            f'Launcher "{launcher}" needs a GPU, and none was found. On CPU start through '
            'tools/dist_train.sh or torchrun, with --launcher pytorch.'
        )
    options: dict[str, Any] = {}
    timeout = (dist_cfg or {}).get('timeout')
    if timeout is not None:
        options['timeout'] = datetime.timedelta(seconds=timeout)
    dist.init_process_group('gloo', **options)
    # Its threads would otherwise still run when the process ends, which now and then aborts it.
    atexit.register(_leave_process_group)


def _leave_process_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
