"""Make the list of an ImageListDataset, ``path label [label ...]``, from boxes in COCO's format.

The labels of an image are the classes of its objects, counted from 0 in the order of "categories". Regions
to ignore (iscrowd=1) do not count; with --ignored, classes of which an image has nothing else become labels
with a question mark, which neither loss nor metric counts. Images without objects are left out, and told.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from labelenc_mm.files import replacing


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', type=Path, help="json in COCO's format")
    parser.add_argument('out', type=Path, help='list to write; an existing one is replaced')
    parser.add_argument(
        '--prefix',
        default='',
        help='in front of the names of files, e.g. images/ (default: nothing)',
    )
    parser.add_argument(
        '--ignored', action='store_true', help='list classes of regions to ignore, too'
    )
    return parser.parse_args(argv)


def image_labels(
    content: dict[str, Any], prefix: str = '', with_ignored: bool = False
) -> tuple[list[str], int]:
    """The lines of the list, and how many images are left out.

    Args:
        content: What the json holds.
        prefix: In front of names.
        with_ignored: Whether classes of regions to ignore are listed, with a question mark.

    Raises:
        KeyError: An entry is missing.
    """
    order = {category['id']: index for index, category in enumerate(content['categories'])}
    labels, ignored = defaultdict(set), defaultdict(set)
    for each in content['annotations']:
        found = ignored if each.get('iscrowd') else labels
        found[each['image_id']].add(order[each['category_id']])
    lines = []
    for image in content['images']:
        shown = labels[image['id']]
        words = [str(label) for label in sorted(shown)]
        if with_ignored:
            words += [f'{label}?' for label in sorted(ignored[image['id']] - shown)]
        if words:
            lines.append(' '.join([f'{prefix}{image["file_name"]}', *words]))
    return lines, len(content['images']) - len(lines)


def main(argv: list[str] | None = None) -> None:
    """Write the list and say what it holds."""
    args = parse_args(argv)
    try:
        content = json.loads(args.annotations.read_text(encoding='utf-8'))
        lines, left_out = image_labels(content, args.prefix, args.ignored)
        with replacing(args.out) as unfinished:
            unfinished.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    except (KeyError, TypeError) as error:
        raise SystemExit(
            f"error: {args.annotations} is not in COCO's format ({type(error).__name__}: {error}): expected "
            'images with id and file_name, annotations with image_id and category_id, and categories'
        ) from error
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {args.annotations}: {error}') from error
    classes = ', '.join(category['name'] for category in content['categories'])
    print(
        f'{args.out}: {len(lines)} images, {left_out} without objects left out; classes: {classes}'
    )


if __name__ == '__main__':
    main()
