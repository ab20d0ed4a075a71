"""Distributed training without a GPU, and the refusals that keep it from going wrong silently."""

import pytest
import torch
import torch.distributed as dist
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from labelenc_mm.engine import CPUCapableDistributedDataParallel, init_distributed

on_cpu = pytest.mark.skipif(get_device() != 'cpu', reason='with a GPU mmengine does it')


@pytest.fixture
def alone(monkeypatch):
    """No process group, no variables of a launcher, before and after."""
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.fixture
def group_of_one(alone, tmp_path):
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.SyncBatchNorm(4))
        self.unused = nn.Linear(2, 2)

    def forward(self, inputs, mode='loss'):
        return {'loss': self.net(inputs).square().mean()}


def test_wrapper_trains_sync_bn_on_cpu_as_plain_bn(group_of_one):
    torch.manual_seed(0)
    model = Model()
    conv, sync_bn = model.net
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    plain.load_state_dict(model.net.state_dict())
    # as mmengine's Runner builds it
    wrapped = MODEL_WRAPPERS.build(
        {'type': 'CPUCapableDistributedDataParallel', 'find_unused_parameters': True},
        default_args={'module': model, 'device_ids': [0]},
    )
    assert isinstance(wrapped, CPUCapableDistributedDataParallel)
    assert wrapped.device_ids is None and not wrapped.broadcast_buffers
    assert wrapped.find_unused_parameters
    inputs = torch.randn(2, 3, 4, 4)
    for _ in range(2):  # a second pass fails where unused parameters are not looked for
        wrapped.zero_grad()
        wrapped(inputs)['loss'].backward()
    plain(inputs)
    plain(inputs).square().mean().backward()
    torch.testing.assert_close(conv.weight.grad, plain[0].weight.grad)
    torch.testing.assert_close(model.net[1].running_mean, plain[1].running_mean)
    # The parameters are those the optimizer would hold, under the same names.
    assert model.net[1].weight is sync_bn.weight
    assert model.unused.weight.grad is None


def test_wrapper_keeps_what_the_config_says(group_of_one):
    wrapped = CPUCapableDistributedDataParallel(Model(), broadcast_buffers=True)
    assert wrapped.broadcast_buffers


@pytest.mark.gpu
def test_wrapper_leaves_a_cuda_module_to_ddp(group_of_one):
    wrapped = CPUCapableDistributedDataParallel(
        Model().cuda(), device_ids=[0], find_unused_parameters=True
    )
    assert wrapped.device_ids == [0]
    assert isinstance(wrapped.module.net[1], nn.SyncBatchNorm)
    wrapped(torch.randn(2, 3, 4, 4, device='cuda'))['loss'].backward()
    assert wrapped.module.net[0].weight.grad.isfinite().all()


def test_unsynchronised_replicas_are_refused(alone):
    alone.setenv('WORLD_SIZE', '2')
    with pytest.raises(RuntimeError, match=r'one of 2 processes.*--launcher pytorch'):
        init_distributed('none')
    alone.setenv('WORLD_SIZE', '1')
    init_distributed('none')
    assert not dist.is_initialized()


def test_launcher_without_its_variables_is_refused(alone):
    alone.setenv('RANK', '0')
    with pytest.raises(RuntimeError, match=r'WORLD_SIZE, LOCAL_RANK is not set.*dist_train'):
        init_distributed('pytorch')


@on_cpu
def test_other_launchers_need_a_gpu(alone):
    with pytest.raises(RuntimeError, match=r'"slurm" needs a GPU.*dist_train'):
        init_distributed('slurm')


@on_cpu
def test_gloo_is_started_with_the_timeout_of_the_config(alone):
    variables = {'RANK': '0', 'WORLD_SIZE': '1', 'LOCAL_RANK': '0'}
    # port 0: the system chooses a free one
    for name, value in {**variables, 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': '0'}.items():
        alone.setenv(name, value)
    init_distributed('pytorch', {'backend': 'nccl', 'timeout': 77})
    assert dist.get_backend() == 'gloo'
    group = dist.distributed_c10d._get_default_group()
    assert group._get_backend(torch.device('cpu')).options._timeout.total_seconds() == 77
    init_distributed('pytorch')  # once is enough
