"""Make lists of VOC 2007 classification for ImageListDataset, ``JPEGImages/000005.jpg 8 14?``.

From ImageSets/Main/<class>_<split>.txt, which say of each image whether it shows the class: 1, -1, or 0 where
all objects of the class are difficult, which becomes a label with a question mark. Classes are counted from 0
in their alphabetical order. Writes OUT/<split>.txt; images without any class are left out, and told.
"""

import argparse
from pathlib import Path

from mmseg.datasets import PascalVOCDataset

from labelenc_mm.files import replacing

CLASSES = PascalVOCDataset.METAINFO['classes'][1:]  # without background
MARKS = {'1': '', '0': '?', '-1': None}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder VOC2007 of the VOCdevkit')
    parser.add_argument('--out', type=Path, help='folder of the lists (default: source)')
    parser.add_argument(
        '--splits', nargs='+', default=['trainval', 'test'], help='(default: trainval test)'
    )
    return parser.parse_args(argv)


def read_marks(path: Path) -> dict[str, str]:
    """Image -> '1', '0' or '-1' of the list of a class.

    Raises:
        OSError: There is no such file.
        ValueError: A line is not as expected; names file and line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        words = line.split()
        if len(words) != 2 or words[1] not in MARKS or words[0] in found:
            raise ValueError(
                f'{path}, line {number}: {line!r}; expected the name of another image, and 1, 0 or -1'
            )
        found[words[0]] = words[1]
    return found


def make_list(source: Path, split: str) -> tuple[list[str], int]:
    """The lines of a split, and how many images have no class.

    Raises:
        OSError: A list or an image is missing.
        ValueError: A list is not as expected, or is of other images than that of the first class.
    """
    paths = [source / 'ImageSets' / 'Main' / f'{name}_{split}.txt' for name in CLASSES]
    columns = [read_marks(path) for path in paths]
    for path, column in zip(paths, columns, strict=True):
        if other := column.keys() ^ columns[0].keys():
            raise ValueError(
                f'{path} and {paths[0]} are of different images: {min(other)} is in one of them alone; '
                'expected the files as they were released'
            )
    lines = []
    for image in columns[0]:
        if not (source / 'JPEGImages' / f'{image}.jpg').is_file():
            raise FileNotFoundError(f'{source / "JPEGImages" / image}.jpg: no such file')
        marks = [MARKS[column[image]] for column in columns]
        labels = [f'{label}{mark}' for label, mark in enumerate(marks) if mark is not None]
        if labels:
            lines.append(' '.join([f'JPEGImages/{image}.jpg', *labels]))
    return lines, len(columns[0]) - len(lines)


def main(argv: list[str] | None = None) -> None:
    """Write the lists and say what they hold."""
    args = parse_args(argv)
    for split in args.splits:
        try:
            lines, left_out = make_list(args.source, split)
            path = (args.out or args.source) / f'{split}.txt'
            with replacing(path) as unfinished:
                unfinished.write_text('\n'.join(lines) + '\n', encoding='utf-8')
        except (OSError, ValueError) as error:
            raise SystemExit(f'error: {error}') from error
        print(f'{path}: {len(lines)} images, {left_out} without a class left out')


if __name__ == '__main__':
    main()
