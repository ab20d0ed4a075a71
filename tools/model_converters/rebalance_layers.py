"""Scale the layers of a VGG or AlexNet without batch normalisation to activations of unit variance.

What the paper does to networks that are "not well-balanced in scale across layers (e.g. ImageNet pretrained
VGG-16)" before it reads hypercolumns from them (Larsson et al., CVPR 2017, sec. 4.1). The network computes
the same but for a factor of each tap.
"""

import argparse
import sys
from collections.abc import Iterator

import torch
from mmengine.config import Config, DictAction
from mmseg.registry import MODELS, TRANSFORMS
from torch import Tensor
from weights_file import ConversionError, with_backbone, write_weights

from labelenc_mm.command_line.config import read_config
from labelenc_mm.networks.blank_image import image_channels
from labelenc_mm.networks.layer_rebalancing import RebalancingError, rebalance
from labelenc_mm.networks.tapped_chain import TappedChain
from labelenc_mm.pretraining import PhotoError
from labelenc_mm.segmentation.data.gray_images import backbone_input
from labelenc_mm.segmentation.trained_backbone import (
    BackboneWeightsError,
    build_backbone,
    read_weights,
)
from labelenc_mm.toolbox.safe_loading import CheckpointError


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config with the backbone and its data_preprocessor')
    parser.add_argument('checkpoint', help='.pth with the weights of the backbone')
    parser.add_argument('out', help='.pth to write; an existing one is replaced')
    parser.add_argument(
        '--photos', nargs='+', required=True, help='images to measure on, a hundred will do'
    )
    parser.add_argument('--size', type=int, default=224, help='side they are resized to')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='changes of the config')
    return parser.parse_args(arguments)


def read_photos(config: Config, paths: list[str], size: int, channels: int) -> Iterator[Tensor]:
    """Photos one by one, as the network sees them: gray ones if it has one channel."""
    if config.model.get('data_preprocessor') is None:
        raise ConversionError(
            f'{config.filename} has no model.data_preprocessor, whose normalisation photos need: write it '
            'there'
        )
    preprocessor = MODELS.build(config.model.data_preprocessor)
    load = TRANSFORMS.build(dict(type='LoadPhoto', reduce_to=size))
    resize = TRANSFORMS.build(dict(type='Resize', scale=(size, size), keep_ratio=False))
    for path in paths:
        image = resize(load(dict(img_path=path)))['img']
        inputs = torch.from_numpy(image.transpose(2, 0, 1).copy())
        yield backbone_input([inputs], preprocessor, channels)


def main(arguments: list[str] | None = None) -> None:
    """Rebalance, or say why not."""
    args = parse_args(arguments)
    try:
        tensors, metadata = read_weights(args.checkpoint)
        config = read_config(args.config, args.cfg_options)
        backbone = build_backbone(config, tensors)
        if not isinstance(backbone, TappedChain):
            raise ConversionError(
                f'{type(backbone).__name__} is no chain of layers: take a TappedVGG or a TappedAlexNet'
            )
        photos = read_photos(config, args.photos, args.size, image_channels(backbone))
        factors = rebalance(backbone, photos)
        write_weights(args.out, with_backbone(tensors, backbone), metadata, rebalanced=True)
    except (CheckpointError, BackboneWeightsError, OSError, PhotoError, RebalancingError) as error:
        sys.exit(f'{error}\n{args.out} was not touched.')
    for name, factor in factors.items():
        print(f'{name}: {factor:.4g} times as large')
    print(f'Rebalanced: {args.out}')


if __name__ == '__main__':
    main()
