"""Write lists of a part of ImageNet's images or labels, for ImageListDataset.

For Table 4 of colorization (Larsson et al., CVPR 2017). SOURCE is a folder with one folder of images a class,
or a list of such images, one path a line; the last folder of a path is its class, as n01440764 in
n01440764/n01440764_18.JPEG. Classes are counted in alphabetical order. OUT/all.txt has all images. Besides:

  --samples 100       OUT/100-a-class_seed0.txt   100 images of each class (ImNt-100k)
  --noise 10%         OUT/e10_seed0.txt           of 10 % of the images, another label at random (E10)
  --random-buckets 50 OUT/r50_seed0.txt           classes put into 50 buckets of one size at random (R50)
  --tree-buckets 16   OUT/h16.txt                 classes put into 16 buckets by a tree of classes (H16)

--is-a is the tree: "parent child" on each line, as wordnet.is_a.txt of ImageNet has it; of several parents
the first counts. How the paper cut it is not told. Here the largest bucket is cut in two at the class below
it that comes nearest to halving it, until there are enough.

--val is a folder or list as SOURCE, to which the new labels are given too: OUT/all_val.txt, OUT/h16_val.txt …
A .json beside each list says of how many images, and by which checksum, it is. Draws are by SHA-256 of seed
and name, the same on every machine.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePath

from make_label_fraction import count_images, in_order, write_list
from mmengine.fileio import list_dir_or_file

from labelenc_mm.command_line.config import without_traceback
from labelenc_mm.pretraining.photo_dataset import SUFFIXES

Classes = Mapping[str, Sequence[str]]  # class -> paths of its images


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder of class folders, or list of images')
    parser.add_argument('--val', type=Path, help='images for validation, in the same way')
    parser.add_argument('--samples', nargs='+', type=int, default=[], help='images a class')
    parser.add_argument(
        '--noise',
        nargs='+',
        default=[],
        metavar='SHARE',
        help='of wrong labels (10%%, 0.1)',
    )
    parser.add_argument('--random-buckets', nargs='+', type=int, default=[], metavar='NUMBER')
    parser.add_argument('--tree-buckets', nargs='+', type=int, default=[], metavar='NUMBER')
    parser.add_argument('--is-a', type=Path, help='the tree, for --tree-buckets')
    parser.add_argument('--seed', type=int, default=0, help='(default: 0)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the lists')
    args = parser.parse_args(argv)
    if args.tree_buckets and args.is_a is None:
        parser.error('--tree-buckets needs the tree of classes: --is-a wordnet.is_a.txt')
    return args


def read_classes(source: Path) -> dict[str, list[str]]:
    """The images of each class, both in alphabetical order.

    Raises:
        FileNotFoundError: There is no such folder or list.
        ValueError: An image lies in no folder, or there is none; names file and line.
    """
    if source.is_dir():
        names = list_dir_or_file(str(source), list_dir=False, recursive=True)
        paths = [PurePath(name).as_posix() for name in names if name.lower().endswith(SUFFIXES)]
    elif source.is_file():
        paths = [line.strip() for line in source.read_text(encoding='utf-8').splitlines()]
    else:
        raise FileNotFoundError(f'{source}: found no such folder or list')
    classes = defaultdict(list)
    for number, path in enumerate(paths, 1):
        folder = PurePath(path).parent.name
        if path and not folder:
            raise ValueError(
                f'{source}, {"line" if source.is_file() else "image"} {number}: {path} lies in no folder, '
                'whose name would be its class'
            )
        if path:
            classes[folder].append(path)
    if not classes:
        raise ValueError(f'{source}: found no image in a folder of its class')
    return {name: sorted(classes[name]) for name in sorted(classes)}


def numbered(classes: Sequence[str]) -> dict[str, int]:
    """Label of each class."""
    return {name: label for label, name in enumerate(classes)}


def lines_of(classes: Classes, labels: Mapping[str, int]) -> list[str]:
    """The list of images with the labels of their classes."""
    return [f'{path} {labels[name]}' for name, paths in classes.items() for path in paths]


def draw_samples(classes: Classes, number: int, seed: int, source: Path) -> dict[str, list[str]]:
    """So many images of each class.

    Raises:
        ValueError: A class has fewer.
    """
    for name, paths in classes.items():
        if not 1 <= number <= len(paths):
            raise ValueError(
                f'--samples {number}: {source} has {len(paths)} images of {name}; expected 1 to '
                f'{min(map(len, classes.values()))}, which the smallest class has'
            )
    return {name: in_order(paths, seed)[:number] for name, paths in classes.items()}


def with_noise(classes: Classes, share: str, seed: int) -> list[str]:
    """The list with another label, drawn from all other classes, for a share of the images.

    Raises:
        ValueError: It is no share, or there is one class alone.
    """
    labels = numbered([*classes])
    truth = {path: labels[name] for name, paths in classes.items() for path in paths}
    if share.isdecimal():
        raise ValueError(f'--noise {share}: expected a share, {share}% perhaps')
    if len(labels) < 2:
        raise ValueError(
            f'--noise {share}: {next(iter(labels))} is the only class, none would be wrong'
        )
    wrong = {*in_order(truth, seed)[: count_images(share, len(truth))]}
    lines = []
    for path, label in truth.items():
        if path in wrong:
            digest = sha256(f'{seed} label {path}'.encode()).digest()
            label += 1 + int.from_bytes(digest, 'big') % (len(labels) - 1)
        lines.append(f'{path} {label % len(labels)}')
    return lines


def random_buckets(classes: Sequence[str], number: int, seed: int) -> dict[str, int]:
    """Bucket of each class; sizes differ by one at most."""
    return {name: place % number for place, name in enumerate(in_order(classes, seed))}


def read_lineages(path: Path, classes: Classes) -> dict[str, list[str]]:
    """What each class is, from itself to the root of the tree.

    Raises:
        OSError: The tree cannot be read.
        ValueError: A line is no pair, a class is not in the tree, or is its own ancestor.
    """
    parents: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        words = line.split()
        if words and len(words) != 2:
            raise ValueError(f'{path}, line {number}: {line!r}; expected "parent child"')
        if words and words[1] not in parents:
            parents[words[1]], lines[words[1]] = words[0], number
    known = {*parents, *parents.values()}
    lineages = {}
    for name, images in classes.items():
        if name not in known:
            raise ValueError(
                f'{path}: there is no {name}, the class of {images[0]}; expected a line "parent {name}"'
            )
        lineage = [name]
        while lineage[-1] in parents:
            parent = parents[lineage[-1]]
            if parent in lineage:
                raise ValueError(
                    f'{path}, line {lines[lineage[-1]]}: {parent} is its own ancestor, by '
                    f'{" is a ".join([*lineage[lineage.index(parent) :], parent])}; expected a tree'
                )
            lineage.append(parent)
        lineages[name] = lineage
    return lineages


def tree_buckets(lineages: Mapping[str, Sequence[str]], number: int) -> dict[str, int]:
    """Bucket of each class: subtrees, without the subtrees that were cut from them."""
    buckets = [[*lineages]]
    while len(buckets) < number:
        largest = max(buckets, key=len)  # the first of several
        below = Counter(name for each in largest for name in lineages[each])
        cut = min(
            (name for name in below if below[name] < len(largest)),
            key=lambda name: (abs(2 * below[name] - len(largest)), name),
        )
        buckets[buckets.index(largest)] = [c for c in largest if cut not in lineages[c]]
        buckets.append([c for c in largest if cut in lineages[c]])
    return {name: bucket for bucket, names in enumerate(buckets) for name in names}


def check_buckets(option: str, number: int, classes: Sequence[str]) -> None:
    """Refuse buckets that would be empty.

    Raises:
        ValueError: There are fewer classes.
    """
    if not 1 <= number <= len(classes):
        raise ValueError(
            f'{option} {number}: there are {len(classes)} classes; expected 1 to that many buckets'
        )


def main(argv: list[str] | None = None) -> None:
    """Write the lists and say what they are."""
    args = parse_args(argv)
    with without_traceback():
        classes = read_classes(args.source)
        val = read_classes(args.val) if args.val else {}
        labels, seed = numbered([*classes]), args.seed
        if foreign := val.keys() - labels.keys():
            raise ValueError(f'{args.val}: {min(foreign)} is no class of {args.source}')
        everything = lines_of(classes, labels)
        lists: dict[str, Sequence[str]] = {}
        buckets = {'all': labels}
        for number in args.samples:
            drawn = draw_samples(classes, number, seed, args.source)
            lists[f'{number}-a-class_seed{seed}'] = lines_of(drawn, labels)
        for share in args.noise:
            lines = with_noise(classes, share, seed)
            percent = 100 * len({*lines} - {*everything}) / len(lines)
            lists[f'e{percent:.3g}_seed{seed}'] = lines
        for number in args.random_buckets:
            check_buckets('--random-buckets', number, [*labels])
            buckets[f'r{number}_seed{seed}'] = random_buckets([*labels], number, seed)
        for number in args.tree_buckets:
            check_buckets('--tree-buckets', number, [*labels])
            lineages = read_lineages(args.is_a, classes)
            buckets[f'h{number}'] = tree_buckets(lineages, number)
        for name, new in buckets.items():
            lists[name] = lines_of(classes, new)
            if val:
                lists[f'{name}_val'] = lines_of(val, new)
        for name, lines in lists.items():
            of = lines_of(val, labels) if name.endswith('_val') else everything
            write_list(args.out.absolute() / f'{name}.txt', lines, seed, of)


if __name__ == '__main__':
    main()
