"""Draw training images at random, as lists that the data sets of MMSegmentation read by ann_file.

SOURCE is a config, whose training data set is meant, a folder of images, or a list of names. For each size
and seed there comes OUT/<images>_seed<seed>.txt with one name a line, and a .json of the same name that says
of how many images, and by which checksum, it is.

Of one seed, each list holds all smaller ones. A name's place in the order of a seed is the SHA-256 of both,
so lists depend neither on the order of files nor on the machine. --held-out takes from the end of that order:
its images are in no list that leaves so many out, for choices that may not be made on the validation set.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path, PurePath

from mmengine.fileio import list_dir_or_file
from mmengine.registry import init_default_scope

from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.files import replacing


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='config (.py), folder of images, or list')
    parser.add_argument(
        '--sizes',
        nargs='+',
        required=True,
        metavar='SIZE',
        help='numbers of images (100), or shares of all (1/8, 0.125, 12.5%%)',
    )
    parser.add_argument(
        '--held-out', metavar='SIZE', help='also OUT/heldout_<images>_seed<seed>.txt of this size'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='(default: 0)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the lists')
    parser.add_argument(
        '--img-suffix',
        default='.jpg',
        help='of the images in a folder, left out of the names (default: .jpg)',
    )
    return parser.parse_args(argv)


def read_names(source: Path, img_suffix: str = '.jpg') -> list[str]:
    """The names of all images, as a line of ann_file has them.

    Args:
        source: Config, folder or list.
        img_suffix: For a folder; data sets of a config know their own, names of a list keep what they have.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A name stands there twice, or there is none.
    """
    if source.suffix == '.py':
        names = _names_of_config(source)
    elif source.is_dir():
        found = list_dir_or_file(str(source), list_dir=False, suffix=img_suffix, recursive=True)
        names = [_name(path, img_suffix) for path in found]
    elif source.is_file():
        lines = source.read_text(encoding='utf-8').splitlines()
        names = [line.strip() for line in lines if line.strip()]
    else:
        raise FileNotFoundError(f'{source}: found no such config, folder or list')
    if not names:
        hint = f' whose name ends in {img_suffix}: --img-suffix' if source.is_dir() else ''
        raise ValueError(f'{source}: found no image{hint}')
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ValueError(f'{source}: {name} stands there {times} times; expected each image once')
    return names


def _name(path: str, img_suffix: str) -> str:
    return PurePath(path).as_posix().removesuffix(img_suffix)


def _names_of_config(path: Path) -> list[str]:
    from mmseg.registry import DATASETS

    cfg = read_config(str(path), scope='mmseg', reason='lists are for its data sets')
    init_default_scope('mmseg')
    entry = cfg.train_dataloader.dataset
    while 'dataset' in entry:
        entry = entry.dataset
    if 'datasets' in entry:
        raise ValueError(
            f'{path}: train_dataloader.dataset joins several data sets, and lists are of one: give the list '
            'that has the images of all of them, or the folder of the images'
        )
    dataset = DATASETS.build({**entry, 'pipeline': []})
    if not hasattr(dataset, 'img_suffix'):
        raise ValueError(
            f'{path}: train_dataloader.dataset is a {type(dataset).__name__}, which is no BaseSegDataset; '
            'give the folder of the images, or a list'
        )
    paths = (dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
    folder = PurePath(dataset.data_prefix['img_path'])
    return [_name(str(PurePath(path).relative_to(folder)), dataset.img_suffix) for path in paths]


def count_images(size: str, total: int) -> int:
    """How many images a size means; halves are rounded to the even number, as 1/20 of ADE20K's are in papers.

    Raises:
        ValueError: It is no size, less than one image or more than there are.
    """
    try:
        share = Fraction(size.removesuffix('%')) / (100 if size.endswith('%') else 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f'--sizes {size}: expected a number of images (100) or a share (1/8, 0.125, 12.5%)'
        ) from None
    images = Fraction(int(size)) if size.isdecimal() else share * total
    if not 1 <= images <= total:
        raise ValueError(
            f'--sizes {size}: that is {float(images):g} of {total} images; expected 1 to {total}'
        )
    return round(images)


def in_order(names: Iterable[str], seed: int) -> list[str]:
    """The names in the order of a seed."""
    return sorted(names, key=lambda name: sha256(f'{seed} {name}'.encode()).digest())


def checksum(names: Iterable[str]) -> str:
    """SHA-256 of the sorted names, one a line."""
    return sha256(''.join(f'{name}\n' for name in sorted(names)).encode()).hexdigest()


def write_list(path: Path, names: Sequence[str], seed: int, source: Sequence[str]) -> None:
    """Write a list and what is to be known of it.

    Raises:
        FileExistsError: Another list is there.
    """
    text = ''.join(f'{name}\n' for name in sorted(names))
    if path.exists() and path.read_text(encoding='utf-8') != text:
        raise FileExistsError(
            f'{path} holds other images, of another source perhaps; choose another --out, or remove it'
        )
    facts = {
        'images': len(names),
        'seed': seed,
        'sha256': checksum(names),
        'of_images': len(source),
        'of_sha256': checksum(source),
    }
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding='utf-8', newline='\n')
    with replacing(path.with_suffix('.json')) as unfinished:
        unfinished.write_text(json.dumps(facts, indent=1), encoding='utf-8')
    share = 100 * len(names) / len(source)
    print(f'{path}: {len(names)} images ({share:.3g} %), checksum {facts["sha256"][:12]}')


def main(argv: list[str] | None = None) -> None:
    """Write the lists and say what they are."""
    args = parse_args(argv)
    with without_traceback():
        names = read_names(args.source, args.img_suffix)
        counts = {count_images(size, len(names)) for size in args.sizes}
        held_out = count_images(args.held_out, len(names)) if args.held_out else 0
        print(f'{args.source}: {len(names)} images, checksum {checksum(names)[:12]}')
        out = args.out.absolute()
        for seed in dict.fromkeys(args.seeds):
            order = in_order(names, seed)
            for images in sorted(counts, reverse=True):
                write_list(out / f'{images}_seed{seed}.txt', order[:images], seed, names)
            if held_out:
                path = out / f'heldout_{held_out}_seed{seed}.txt'
                write_list(path, order[-held_out:], seed, names)


if __name__ == '__main__':
    main()
