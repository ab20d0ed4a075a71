"""Make the data of BSDSEdgeDataset from BSDS500 as its authors released it (folder BSR/BSDS500/data).

Writes OUT/images/ID.jpg (copies), OUT/boundaries/ID.png (16-bit gray, bit k is the boundary map of annotator k),
OUT/annotators.json (how many annotators an image has) and the lists OUT/train.txt, val.txt and test.txt.
Reading the .mat files needs scipy: pip install scipy.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from labelenc_mm.files import complete_folder

SPLITS = ('train', 'val', 'test')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder with images/ and groundTruth/')
    parser.add_argument(
        '--out', type=Path, default='data/bsds500', help='folder to make (default: data/bsds500)'
    )
    return parser.parse_args(argv)


def read_boundaries(path: Path) -> list[np.ndarray[Any, Any]]:
    """The boundary maps of a .mat file, (H, W) bool each.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: scipy is missing.
        ValueError: It is damaged or of another structure.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError(f'{path}: reading .mat files needs scipy: pip install scipy') from error
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    try:
        cells = loadmat(path)['groundTruth'].ravel()
        maps = [cell['Boundaries'][0, 0] for cell in cells]
    except Exception as error:  # whatever scipy says to a damaged file
        raise ValueError(
            f'{path}: {type(error).__name__}: {error}; expected a cell array groundTruth of structs with '
            'Boundaries'
        ) from error
    if not maps or any(each.ndim != 2 or each.shape != maps[0].shape for each in maps):
        raise ValueError(
            f'{path}: {len(maps)} annotators with maps of {[each.shape for each in maps]}, expected one size'
        )
    return [each > 0 for each in maps]


def main(argv: list[str] | None = None) -> None:
    """Convert all splits and say what they hold."""
    # The command line is answered without the toolboxes.
    from labelenc_mm.datasets.edges.annotations import write_annotators

    args = parse_args(argv)
    if args.out.exists():
        raise SystemExit(f'error: {args.out} exists: remove it, or give another --out')
    numbers: dict[str, dict[str, Any]] = {}
    try:
        with complete_folder(args.out) as folder:
            for name in ('images', 'boundaries'):
                (folder / name).mkdir()
            for split in SPLITS:
                images = sorted((args.source / 'images' / split).glob('*.jpg'))
                if not images:
                    raise FileNotFoundError(f'{args.source / "images" / split}: no images')
                for image in tqdm(images, split, unit='image', disable=None):
                    maps = read_boundaries(
                        args.source / 'groundTruth' / split / f'{image.stem}.mat'
                    )
                    write_annotators(folder / 'boundaries' / f'{image.stem}.png', maps)
                    shutil.copyfile(image, folder / 'images' / image.name)
                    numbers[image.stem] = {'split': split, 'annotators': len(maps)}
                stems = [image.stem for image in images]
                (folder / f'{split}.txt').write_text('\n'.join(stems) + '\n', encoding='utf-8')
                print(f'{split}: {len(stems)} images, {sum(numbers[s]["annotators"] for s in stems)} maps')
            text = json.dumps(numbers, indent=0)
            (folder / 'annotators.json').write_text(text, encoding='utf-8')
    except FileNotFoundError as error:
        raise SystemExit(
            f'error: {error}; expected the folder BSDS500/data of the release, with images/ and groundTruth/ '
            'of train, val and test'
        ) from error
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{args.out}: done')


if __name__ == '__main__':
    main()
