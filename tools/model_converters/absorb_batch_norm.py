"""Absorb the batch normalisation of a backbone into its convolutions, for a fine-tuning without it.

What colorization does between pretraining and fine-tuning (Larsson et al., CVPR 2017, sec. 4.1). The weights
that are written fit the backbone without norm_cfg (and fc_norm_cfg), and compute the same in evaluation mode:
1e-5 is checked before the file gets its name. Where a layer cannot be absorbed, nothing is written and every
reason is told. Normalisation outside of the backbone, as that of the taps of a hypercolumn head, is named and
left.
"""

import argparse
import sys

import torch
from mmengine.config import Config, DictAction
from torch import Tensor, nn
from weights_file import ConversionError, with_backbone, write_weights

from labelenc_mm.command_line.config import read_config
from labelenc_mm.networks.batch_norm_absorption import AbsorptionError, absorb_batch_norm
from labelenc_mm.networks.blank_image import image_channels, pass_blank_image
from labelenc_mm.segmentation.trained_backbone import (
    BACKBONE,
    BackboneWeightsError,
    build_backbone,
    read_weights,
)
from labelenc_mm.toolbox.safe_loading import CheckpointError


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the pretraining')
    parser.add_argument('checkpoint', help='pretrained_segmentor.pth, or any checkpoint')
    parser.add_argument('out', help='.pth to write; an existing one is replaced')
    parser.add_argument(
        '--keep-layers',
        action='store_true',
        help='leave the layers there with mean 0 and variance 1, as a ResNet needs, whose convolutions have '
        'no bias; it is fine-tuned with norm_eval=True of the backbone, for statistics of batches would undo '
        'what is absorbed; the paper keeps its normalisation',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='those that the training was given'
    )
    return parser.parse_args(arguments)


def absorb(
    config: Config, tensors: dict[str, Tensor], keep_layers: bool
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """Absorb.

    Returns:
        The weights, the layers that are absorbed, and those outside of the backbone that are left.
    """
    backbone = build_backbone(config, tensors)
    size = _size_of_image(backbone)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, image_channels(backbone), *size, generator=generator)
    pairs = absorb_batch_norm(backbone, lambda network: network(image), keep_layers)
    if not pairs:
        raise ConversionError('the backbone has no batch normalisation: there is nothing to absorb')
    left = sorted(
        key.removesuffix('.running_mean')
        for key in tensors
        if key.endswith('.running_mean') and not key.startswith(BACKBONE)
    )
    return with_backbone(tensors, backbone), [pair.norm for pair in pairs], left


def _size_of_image(backbone: nn.Module) -> tuple[int, int]:
    image, _ = pass_blank_image(backbone, backbone, 'Give a backbone of images')
    return image.shape[-2], image.shape[-1]


def main(arguments: list[str] | None = None) -> None:
    """Absorb, or say why not."""
    args = parse_args(arguments)
    try:
        tensors, metadata = read_weights(args.checkpoint)
        config = read_config(args.config, args.cfg_options)
        result, absorbed, left = absorb(config, tensors, args.keep_layers)
        write_weights(args.out, result, metadata, absorbed=len(absorbed))
    except (AbsorptionError, CheckpointError, BackboneWeightsError, OSError) as error:
        sys.exit(f'{error}\n{args.out} was not touched.')
    print(f'{len(absorbed)} layers absorbed: {args.out}')
    if left:
        print(f'Left, outside of the backbone: {", ".join(left)}')
    if args.keep_layers:
        print('Fine-tune with norm_eval=True of the backbone.')
    else:
        print('Fine-tune with norm_cfg=None (and fc_norm_cfg=None) of the backbone.')


if __name__ == '__main__':
    main()
