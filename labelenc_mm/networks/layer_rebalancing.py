"""Layers of unit variance, for a network that was trained without batch normalisation (Larsson et al., CVPR
2017).

ReLU and max-pooling are positively homogeneous: f(s x) = s f(x) for s > 0. So a layer's weights may be scaled
and those of the next one by the inverse: what the network computes stays, its taps change by a factor each
(sec. 4.1).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.networks.blank_image import undisturbed
from labelenc_mm.networks.tapped_chain import TappedChain


class RebalancingError(LabelEncMMError, ValueError):
    """A network whose layers cannot be rescaled one by one; says why."""


@torch.no_grad()
def rebalance(network: TappedChain, images: Iterable[Tensor]) -> dict[str, float]:
    """Scale every layer of a chain, in place, so that its activations on images have unit variance.

    Args:
        network: A :class:`TappedVGG` or :class:`TappedAlexNet` without normalisation.
        images: (N, C, H, W) batches, as the network sees them.

    Returns:
        Name of each convolution -> the factor by which its output is larger now.

    Raises:
        RebalancingError: There is normalisation, a layer that is always zero, or no image.
    """
    units = {name: unit for name, unit in network.named_children() if hasattr(unit, 'conv')}
    normed = [name for name, unit in units.items() if hasattr(unit, 'norm')]
    if normed:
        raise RebalancingError(
            f'{", ".join(normed)}: batch normalisation keeps the variance by itself. Absorb it first, or '
            'leave the network as it is'
        )
    deviations = _deviations(network, units, images)
    factors, before = {}, 1.0
    for name, unit in units.items():
        if not deviations[name] > 0:
            raise RebalancingError(
                f'{name} has the same output everywhere (standard deviation {deviations[name]}): it is dead, '
                'or there were no images'
            )
        factor = 1 / deviations[name]
        unit.conv.weight.mul_(factor / before)
        unit.conv.bias.mul_(factor)
        factors[name] = before = factor
    return factors


def _deviations(
    network: TappedChain, units: dict[str, nn.Module], images: Iterable[Tensor]
) -> dict[str, float]:
    """Standard deviation of each layer's output, over all cells of all images."""
    sums = {name: torch.zeros(3, dtype=torch.float64) for name in units}

    def note(name: str, output: Tensor) -> None:
        values = output.double()
        moments = [values.sum(), values.square().sum(), values.new_tensor(values.numel())]
        sums[name] += torch.stack(moments).cpu()

    handles = [
        unit.register_forward_hook(lambda module, args, output, name=name: note(name, output))
        for name, unit in units.items()
    ]
    try:
        with undisturbed(network):
            for batch in images:
                network(batch)
    finally:
        for handle in handles:
            handle.remove()
    found = {}
    for name, (total, squares, number) in sums.items():
        mean = total / number.clamp(min=1)
        found[name] = float((squares / number.clamp(min=1) - mean.square()).clamp(min=0).sqrt())
    return found
