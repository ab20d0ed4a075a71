"""Batch normalisation absorbed into the convolution before it (Larsson et al., CVPR 2017, sec. 4.1).

With gathered statistics the layer is affine: W' = W g / sqrt(var + eps) and b' = (b - mean) g / sqrt(var +
eps) + h do the same in one convolution, g and h being the layer's own scale and shift, 1 and 0 without.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.networks.blank_image import undisturbed

TOLERANCE = 1e-5
"""Of outputs, relative to the largest of a map."""


class AbsorptionError(LabelEncMMError, ValueError):
    """Normalisation that cannot be absorbed; says why, layer by layer."""


class Pair(NamedTuple):
    """Paths of a convolution and of the normalisation of nothing but its output."""

    convolution: str
    norm: str


@torch.no_grad()
def absorb_batch_norm(
    network: nn.Module,
    run: Callable[[nn.Module], Any],
    keep_layers: bool = False,
) -> list[Pair]:
    """Absorb all batch normalisation of a network, in place.

    The layers are removed, so that the network is what its config builds without ``norm_cfg``.

    Args:
        network: Any whose layers run once a pass.
        run: Runs it on an image that shows all its layers at work, and gives its outputs; run again
            afterwards, these have to be the same.
        keep_layers: Leave the layers there, with a mean of 0 and a variance of 1: what a network needs whose
            convolutions have no bias (ResNet). Train it with the layers in evaluation mode: statistics of
            batches would undo what is absorbed.

    Returns:
        What was absorbed, in the order of the layers; nothing if there is none.

    Raises:
        AbsorptionError: A layer cannot be absorbed; the network is as it was.
    """
    with undisturbed(network):
        calls = _Calls(network)
        before = calls.record(run)
    pairs, reasons = calls.pairs(keep_layers)
    if reasons:
        raise AbsorptionError('not absorbed:\n  ' + '\n  '.join(reasons))
    state = {key: value.clone() for key, value in network.state_dict().items()}
    removed = {}
    for pair in pairs:
        convolution, norm = map(network.get_submodule, pair)
        _absorb(convolution, norm, keep_layers)
        if not keep_layers:
            removed[pair.norm] = norm
            _replace(network, pair.norm, nn.Identity())
    try:
        with undisturbed(network):
            after = _flat(run(network))
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            difference = (old - new).abs().max()
            allowed = TOLERANCE * old.abs().max().clamp(min=1)
            if not difference <= allowed:  # also of what is no number
                raise AbsorptionError(
                    f'not absorbed: output {index} would differ by {float(difference):.2g}. The output of a '
                    'convolution is used beside its normalisation, too, or something stands between them'
                )
    except Exception:
        for path, norm in removed.items():
            _replace(network, path, norm)
        network.load_state_dict(state)
        raise
    for path in removed:
        parent, _, name = path.rpartition('.')
        owner = network.get_submodule(parent)
        if isinstance(owner, nn.Sequential):
            delattr(owner, name)
    return pairs


class _Calls:
    """Which layers of a network run on what."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.names = {module: name for name, module in network.named_modules()}
        self.norms = {m: n for m, n in self.names.items() if isinstance(m, _BatchNorm)}
        self.counts: dict[nn.Module, int] = {}
        self.makers: dict[int, nn.Module] = {}  # number of an output -> convolution
        self.inputs: dict[nn.Module, nn.Module | None] = {}  # normalisation -> what made its input
        self.kept: list[Tensor] = []  # so that no number is given twice

    def record(self, run: Callable[[nn.Module], Any]) -> list[Tensor]:
        """Run the network and give its outputs."""
        handles = []
        for module in self.names:
            if isinstance(module, nn.Conv2d | nn.Linear):
                handles.append(module.register_forward_hook(self._made))
            elif isinstance(module, _BatchNorm):
                handles.append(module.register_forward_pre_hook(self._used))
        try:
            return [each.clone() for each in _flat(run(self.network))]
        finally:
            for handle in handles:
                handle.remove()

    def _made(self, module: nn.Module, args: Any, output: Tensor) -> None:
        self.counts[module] = self.counts.get(module, 0) + 1
        self.kept.append(output)
        self.makers[id(output)] = module

    def _used(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        self.counts[module] = self.counts.get(module, 0) + 1
        self.inputs[module] = self.makers.get(id(args[0]))

    def pairs(self, keep_layers: bool) -> tuple[list[Pair], list[str]]:
        """What can be absorbed, and why the rest cannot."""
        pairs, reasons = [], []
        for norm, name in self.norms.items():
            convolution = self.inputs.get(norm)
            reason = self._reason(norm, convolution, keep_layers)
            if reason is None and convolution is not None:
                pairs.append(Pair(self.names[convolution], name))
            else:
                reasons.append(f'{name}: {reason}')
        return pairs, reasons

    def _reason(
        self, norm: nn.Module, convolution: nn.Module | None, keep_layers: bool
    ) -> str | None:
        """Why a layer cannot be absorbed, None if it can."""
        times = max(self.counts.get(norm, 0), self.counts.get(convolution, 0) if convolution else 0)
        if norm not in self.inputs:
            return 'does not run'
        if times > 1:
            return f'it, or its convolution, runs {times} times in a pass, on inputs that differ'
        if convolution is None:
            return (
                'no convolution stands right before it (pre-activation, as in DenseNet): into the one behind '
                'it it does not go, whose padding of zeros comes after it'
            )
        if not _has_statistics(norm):
            return 'its statistics were never gathered: train first, or give the checkpoint of a training'
        if convolution.bias is None and keep_layers and not norm.affine:
            return (
                f'neither it nor {self.names[convolution]} has a bias, which would take the shift. Fine-tune '
                'with the normalisation as it is, or pretrain with norm_cfg.affine=True'
            )
        if convolution.bias is None and not keep_layers:
            return (
                f'{self.names[convolution]} has no bias, which would take the shift. Networks like ResNet '
                'are better trained with batch normalisation (sec. 4.1); to absorb all the same, keep the '
                'layers as ones that add the shift alone (--keep-layers)'
            )
        return None


def _has_statistics(norm: Any) -> bool:
    """Whether a layer has gathered any; old checkpoints and converted ones have no counter of batches."""
    if norm.running_mean is None:
        return False
    is_fresh = not norm.running_mean.any() and bool((norm.running_var == 1).all())
    return int(norm.num_batches_tracked) > 0 or not is_fresh


def _absorb(convolution: Any, norm: Any, keep_layers: bool) -> None:
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.double()
    bias = 0 if convolution.bias is None else convolution.bias.double()
    shift = (bias - norm.running_mean.double()) * scale
    if norm.affine:
        shift = shift + norm.bias.double()
    weight: Any = convolution.weight
    weight.copy_(weight.double() * scale.view(-1, *[1] * (weight.dim() - 1)))
    if convolution.bias is not None:
        convolution.bias.copy_(shift)
        shift = torch.zeros_like(shift)
    if keep_layers:
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        if norm.affine:
            norm.weight.fill_(1)
            norm.bias.copy_(shift)


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition('.')
    setattr(network.get_submodule(parent), name, module)


def _flat(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [each for value in values for each in _flat(value)]
