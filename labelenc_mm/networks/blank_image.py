"""Shapes that a network gives out, measured with a blank image of a size that it takes.

Some networks take images of one size alone (position embeddings), others multiples of a window. Whoever
measures one asks here, so that the sizes that are tried are the same everywhere.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

import torch
from mmengine.config import Config
from torch import Tensor, nn

from labelenc_mm.networks.modes import evaluation_mode
from labelenc_mm.networks.named_features import FeatureError

T = TypeVar('T')

_SMALL = 128  # pixels; a multiple of the strides that are common
# What windows of 7, 8 and 12 cells of stride 32 divide, and networks are often made for.
_COMMON = ((224, 224), (256, 256), (384, 384), (512, 512))
_OF_NETWORKS = ('img_size', 'pretrain_img_size', 'image_size', 'input_size', 'init_input_size')
_OF_PIPELINES = ('crop_size', 'scale', 'size', 'img_scale')


def image_sizes(model: nn.Module, config: Config | None = None) -> list[tuple[int, int]]:
    """Sizes (H, W) of blank images to try in turn: a small one, those that are told, common ones.

    Args:
        model: Tells by its data preprocessor, its test options and attributes of its backbone.
        config: Of the training, if it can be had: tells by the transforms of its pipelines.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    augments = getattr(preprocessor, 'batch_augments', None) or ()
    told = [getattr(part, 'size', None) for part in (preprocessor, *augments)]
    told.append((getattr(model, 'test_cfg', None) or {}).get('crop_size'))
    for name in ('pad_size_divisor', 'size_divisor'):
        divisor = getattr(preprocessor, name, None)
        if isinstance(divisor, int) and divisor > 0:
            told.append(math.ceil(_SMALL / divisor) * divisor)
    for module in getattr(model, 'backbone', model).modules():
        told += [vars(module).get(name) for name in _OF_NETWORKS]
    for part in ('train_dataloader', 'test_dataloader'):
        told += _sizes_of_transforms((config or {}).get(part))
    sizes = sorted({size for value in told for size in _pairs(value)}, key=math.prod)
    return list(dict.fromkeys([(_SMALL, _SMALL), *sizes, *_COMMON]))


def _pairs(value: Any) -> list[tuple[int, int]]:
    """A size as (H, W), in both orders: toolboxes write (W, H), too."""
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return []
    if not all(isinstance(side, int) and side > 0 for side in pair):
        return []
    return [(pair[0], pair[1]), (pair[1], pair[0])]


def _sizes_of_transforms(config: Any) -> list[Any]:
    if isinstance(config, Mapping):
        own = [config.get(name) for name in _OF_PIPELINES]
        return own + [size for value in config.values() for size in _sizes_of_transforms(value)]
    if isinstance(config, list | tuple):
        return [size for value in config for size in _sizes_of_transforms(value)]
    return []


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Run a model in evaluation mode and without gradients, and leave no trace.

    Random numbers are drawn as if nothing had run.
    """
    device = device_of(model)
    with (
        evaluation_mode(model),
        torch.no_grad(),
        torch.random.fork_rng([device] if device.type == 'cuda' else []),
    ):
        yield


class MapShape(NamedTuple):
    """What is to be known of a feature map beforehand."""

    channels: int
    stride: int
    """Pixels of the image a cell."""


def map_shapes(image: Tensor, maps: Sequence[Tensor]) -> list[MapShape]:
    """Channels and strides, to the nearest whole number, of maps that were made of an image."""
    return [MapShape(each.shape[1], round(image.shape[-1] / each.shape[-1])) for each in maps]


def measure_maps(
    model: nn.Module,
    run: Callable[[Tensor], Sequence[Tensor]],
    remedy: str,
    names: Sequence[str] = (),
    sizes: Sequence[tuple[int, int]] = (),
) -> list[MapShape]:
    """Channels and strides of the maps that a model makes, where strides must be exact.

    Two images are passed, the second one of twice the side unless the model takes none such: 3 cells of
    72 pixels are 24 a cell, or 32 rounded up.

    Args:
        model: A model, or a backbone.
        run: Makes the maps of a (1, channels, H, W) image.
        remedy: What to do where that fails, for the message.
        names: Of the maps, for the message.
        sizes: (H, W) to try before all others.

    Raises:
        ValueError: The model takes no blank image, or a stride is no whole number.
    """
    image, maps = pass_blank_image(model, run, remedy, sizes)
    probes = [(image, maps)]
    with undisturbed(model), suppress(Exception):  # a network of one size takes no other
        larger = image.new_zeros(1, image.shape[1], *(2 * side for side in image.shape[-2:]))
        probes.append((larger, run(larger)))
    shapes = map_shapes(image, maps)
    for index, shape in enumerate(shapes):
        found = [tuple(maps[index].shape[-2:]) for _, maps in probes]
        expected = [
            tuple(side / max(shape.stride, 1) for side in pixels.shape[-2:]) for pixels, _ in probes
        ]
        if found != expected:
            name = repr(names[index]) if names else str(index)
            raise ValueError(
                f'map {name} of {type(model).__name__} has {found} cells (height, width) for images of '
                f'{[tuple(pixels.shape[-2:]) for pixels, _ in probes]} pixels, which is no whole stride. '
                f'{remedy}'
            )
    return shapes


def pass_blank_image(
    model: nn.Module,
    run: Callable[[Tensor], T],
    remedy: str,
    sizes: Sequence[tuple[int, int]] = (),
) -> tuple[Tensor, T]:
    """Pass a blank image of the first size that a model takes.

    Args:
        model: A model, or a backbone.
        run: What to run on a (1, channels, H, W) image of zeros.
        remedy: What to do where it takes none, for the message.
        sizes: (H, W) to try before all others.

    Returns:
        The image, and what ``run`` has made of it.

    Raises:
        FeatureError: A feature that is to be recorded is not there, whatever the size.
        ValueError: The model takes none; has what the first one has raised.
    """
    backbone = getattr(model, 'backbone', model)
    sizes = list(dict.fromkeys([*sizes, *image_sizes(model)]))
    failure = None
    with undisturbed(model):
        for size in sizes:
            image = torch.zeros(1, image_channels(backbone), *size, device=device_of(model))
            try:
                return image, run(image)
            except FeatureError:
                raise
            except Exception as error:  # whatever a network says to a size that it does not take
                failure = failure or error
    raise ValueError(
        f'{type(backbone).__name__} takes a blank image of none of the (height, width) '
        f'{", ".join(map(str, sizes))}. {remedy}. The first ended in {type(failure).__name__}: {failure}'
    ) from failure


def image_channels(model: nn.Module) -> int:
    """The number of channels of the images that a model, or a backbone, takes."""
    for module in model.modules():
        if type(module).__name__ == 'Focus':  # YOLOX: first folds 2x2 pixels into the channels
            return module.conv.conv.in_channels // 4  # type: ignore[union-attr, operator, return-value]
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


def device_of(model: nn.Module) -> torch.device:
    """Where a model's first parameter is; the CPU without any."""
    parameter = next(model.parameters(), None)
    return torch.device('cpu') if parameter is None else parameter.device
