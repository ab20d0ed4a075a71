"""Random numbers of ours, which leave those that a detector draws as they are without us."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub


@contextmanager
def own_random_numbers(
    are_own: bool = True, gpus: Sequence[int] = (), seed: int | None = None
) -> Iterator[None]:
    """Draw from generators of our own: PyTorch's are left as they were found.

    Args:
        are_own: Whether to.
        gpus: Indices of the GPUs that numbers are drawn on, beside the CPU.
        seed: Of our generators, by default one that follows from PyTorch's.
    """
    if not are_own:
        yield
        return
    with torch.random.fork_rng(devices=gpus):
        # Not torch.manual_seed, which would seed those of all other GPUs as well.
        seed = (torch.initial_seed() + 1) % 2**63 if seed is None else seed
        torch.default_generator.manual_seed(seed)
        for index in gpus:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield


def own_seed(iteration: int, index: int) -> int:
    """A seed of an iteration: a function of it and the training's seed, and none of the detector's numbers.

    So the detector's data and samplers are those of its baseline, and a resumed training repeats them.

    Args:
        iteration: Of the training.
        index: Of what is drawn in it.
    """
    # A resumed training's is that of the first one.
    seed = MessageHub.get_current_instance().get_info('seed')
    seed = torch.initial_seed() if seed is None else seed
    seeds = np.random.SeedSequence([int(seed) % 2**63, get_rank(), iteration, index])
    return int(seeds.generate_state(1)[0])


def own_generator(iteration: int, index: int) -> torch.Generator:
    """Numbers of an iteration, see :func:`own_seed`."""
    return torch.Generator().manual_seed(own_seed(iteration, index))
