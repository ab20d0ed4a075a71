"""Write the embedded data set, shape scenes: COCO json, images, label PNGs; normals and edges on demand."""

import argparse

from labelenc_mm.shape_scenes import CLASSES, write_shape_scenes


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=f'{__doc__} Object classes: {", ".join(CLASSES)}.',
        epilog='Repeating a command does nothing; other parameters for the same folder are refused '
        'unless --overwrite is given.',
    )
    parser.add_argument('out', help='folder to make')
    parser.add_argument('--train', type=int, default=800, help='training images (default: 800)')
    parser.add_argument('--val', type=int, default=200, help='validation images (default: 200)')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(128, 128),
        metavar=('H', 'W'),
        help='image height and width in pixels (default: 128 128)',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the data set (default: 0)')
    parser.add_argument(
        '--void-contour',
        type=int,
        default=0,
        metavar='PIXELS',
        help='width of a band of 255 along outlines in the label PNGs (default: 0, none)',
    )
    parser.add_argument(
        '--relief',
        action='store_true',
        help='things are domes under a light; also writes their surface normals and outlines',
    )
    parser.add_argument(
        '--format', choices=['png', 'jpg'], default='png', help='image format (default: png)'
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=0,
        help='processes; the result does not depend on it (default: 0)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace shape scenes with other parameters'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Write the data set and say where it is."""
    args = parse_args(argv)
    try:
        root = write_shape_scenes(
            args.out,
            args.train,
            args.val,
            tuple(args.size),
            args.seed,
            void_contour=args.void_contour,
            relief=args.relief,
            image_format=args.format,
            workers=args.workers,
            overwrite=args.overwrite,
        )
    except (FileExistsError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{root}: {args.train} training and {args.val} validation images')


if __name__ == '__main__':
    main()
