"""Turn the first convolution of a backbone from gray images to color, or from color to gray.

Filters of a colorizer, which sees gray photos, go to color by standing three times, each divided by three
(Larsson et al., CVPR 2017, sec. 4.1); those of a classifier of color photos go to gray by their sum over the
channels. Both answer as before to a gray photo, given that all channels have one mean and one deviation.
"""

import argparse
import sys

from weights_file import ConversionError, write_weights

from labelenc_mm.networks.input_filters import gray_to_rgb, rgb_to_gray
from labelenc_mm.segmentation.trained_backbone import BACKBONE, BackboneWeightsError, read_weights
from labelenc_mm.toolbox.safe_loading import CheckpointError

CONVERSIONS = {'rgb': (gray_to_rgb, 3), 'gray': (rgb_to_gray, 1)}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='pretrained_segmentor.pth, or any checkpoint')
    parser.add_argument('out', help='.pth to write; an existing one is replaced')
    parser.add_argument('--to', choices=CONVERSIONS, required=True, help='images it is to be for')
    parser.add_argument('--layer', help='name of the convolution; by default the first one')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Convert, or say why not."""
    args = parse_args(arguments)
    try:
        tensors, metadata = read_weights(args.checkpoint)
        layers = [k for k, v in tensors.items() if k.startswith(BACKBONE) and v.dim() == 4]
        if not layers:
            raise ConversionError(f'{args.checkpoint} has no convolution in its backbone')
        key = f'{args.layer}.weight' if args.layer else layers[0]
        if key not in layers:
            raise ConversionError(
                f'--layer {args.layer}: {args.checkpoint} has no such convolution, but '
                f'{", ".join(layers[:3])} …'
            )
        convert, channels = CONVERSIONS[args.to]
        try:
            tensors[key] = convert(tensors[key])
        except ValueError as error:
            raise ConversionError(f'{key} of {args.checkpoint}: {error}') from error
        write_weights(args.out, tensors, metadata, channels=channels)
    except (CheckpointError, BackboneWeightsError, OSError) as error:
        sys.exit(f'{error}\n{args.out} was not touched.')
    print(f'{key} is for {args.to} images now: {args.out}')


if __name__ == '__main__':
    main()
