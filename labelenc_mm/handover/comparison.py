"""The exported model and the trained one, compared bit by bit: weights, and what both compute for images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.networks.blank_image import image_channels, image_sizes

# The name of a tensor in the stock model, None for one that is ours.
StockName = Callable[[str], str | None]
_SIZES = ((256, 256), (256, 320))  # (H, W) of the images on which models are compared


class ExportError(LabelEncMMError, RuntimeError):
    """An export that would not be the trained model; nothing was written."""


def compare_models(
    trained_model: nn.Module,
    state_dict: Mapping[str, Tensor],
    stock: nn.Module,
    exported: Mapping[str, Tensor],
    stock_name: StockName,
    run: Callable[[Any, Tensor], list[Tensor]],
    device: str | torch.device,
    config: Config,
) -> None:
    """Compare the exported model with the trained one: weights, and what both compute for images.

    Args:
        trained_model: The trained model, built anew.
        state_dict: Its weights.
        stock: The stock model, built anew.
        exported: What was exported for it.
        stock_name: The name of a trained tensor in the stock model.
        run: All tensors that a model computes for a (channels, H, W) uint8 image.
        device: Where the two run.
        config: Of the training, which may tell the sizes of images that the model takes.

    Raises:
        ExportError: Something differs in a single bit.
    """
    try:
        stock.load_state_dict(exported, strict=True)
        trained_model.load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        raise ExportError(f'the weights do not fit the config: {error}') from error
    # Weights first: a model that has learned little predicts nothing, and nothing equals nothing.
    weights = stock.state_dict()
    for key, value in trained_model.state_dict().items():
        name = stock_name(key)
        if name is not None and not torch.equal(value, weights.pop(name)):
            raise ExportError(f'{name} differs from the trained model; nothing was written')
    if weights:
        raise ExportError(f'{", ".join(weights)} were not trained; nothing was written')
    generator = torch.Generator().manual_seed(0)
    channels = image_channels(stock)

    def outputs(size: tuple[int, int]) -> list[list[Tensor]]:
        image = torch.randint(0, 256, (channels, *size), dtype=torch.uint8, generator=generator)
        found = []
        for model in (trained_model, stock):
            torch.manual_seed(0)  # some models draw numbers also when they predict
            with _deterministic_convolutions():
                found.append(run(model.to(device).eval(), image))
        return found

    for index, size in enumerate(_SIZES):
        results = _first_that_works(outputs, [size, *image_sizes(stock, config)])
        if len(results[0]) != len(results[1]) or not all(map(torch.equal, *results)):
            raise ExportError(
                f'the stock {type(stock).__name__} does not predict the same as the trained '
                f'{type(trained_model).__name__} on test image {index}; nothing was written'
            )


def _first_that_works(run: Callable[[Any], Any], arguments: Sequence[Any]) -> Any:
    """What ``run`` returns for the first argument that it takes; if there is none, what the first raised."""
    failure: Exception | None = None
    for argument in arguments:
        try:
            return run(argument)
        except Exception as error:
            failure = failure or error
    assert failure is not None
    raise failure


@contextmanager
def _deterministic_convolutions() -> Iterator[None]:
    """On a GPU the same convolution may otherwise take another algorithm the second time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
