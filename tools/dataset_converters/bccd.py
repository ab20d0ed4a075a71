"""Convert BCCD, blood smear images with boxes (github.com/Shenggan/BCCD_Dataset), to COCO json.

Writes OUT/train.json, OUT/val.json and OUT/test.json, the lists of the data set's ImageSets/Main, and
OUT/images, a link to its images. Boxes without any width or height, two in the released data, are left out.
"""

import argparse
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from tqdm import tqdm

from labelenc_mm.files import complete_folder

CLASSES = ('RBC', 'WBC', 'Platelets')
SPLITS = ('train', 'val', 'test')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder BCCD of a clone of the data set')
    parser.add_argument(
        '--out', type=Path, default='data/bccd', help='folder to make (default: data/bccd)'
    )
    return parser.parse_args(argv)


def convert(source: Path, split: str) -> tuple[dict[str, Any], int]:
    """Read one list of images; the content of its json, and how many boxes were left out.

    Raises:
        OSError: A file is missing.
        ValueError: A file is not as expected.
    """
    stems = (source / 'ImageSets' / 'Main' / f'{split}.txt').read_text(encoding='utf-8').split()
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    left_out = 0
    for stem in tqdm(stems, split, unit='image', disable=None):
        if not (source / 'JPEGImages' / f'{stem}.jpg').is_file():
            raise FileNotFoundError(f'{source / "JPEGImages" / stem}.jpg: no such file, in {split}')
        path = source / 'Annotations' / f'{stem}.xml'
        image_id = int(stem.partition('_')[2])
        try:
            root = ET.parse(path).getroot()  # noqa: S314  (a file of the user's own choice)
            width, height = (int(root.findtext(f'size/{key}', '')) for key in ('width', 'height'))
            for item in root.iter('object'):
                category_id = 1 + CLASSES.index(item.findtext('name', ''))
                keys = ('xmin', 'ymin', 'xmax', 'ymax')
                x1, y1, x2, y2 = (int(item.findtext(f'bndbox/{key}', '')) for key in keys)
                w, h = x2 - x1, y2 - y1
                if w <= 0 or h <= 0:
                    left_out += 1
                    continue
                box = {'image_id': image_id, 'category_id': category_id, 'bbox': [x1, y1, w, h]}
                boxes.append({'id': len(boxes) + 1, **box, 'area': w * h, 'iscrowd': 0})
        except (ET.ParseError, ValueError) as error:
            raise ValueError(
                f'{path}: {error}; expected XML in the format of PASCAL VOC with whole numbers in size '
                f'and bndbox, and names among {", ".join(CLASSES)}'
            ) from error
        image = {'id': image_id, 'file_name': f'{stem}.jpg', 'width': width, 'height': height}
        images.append(image)
    categories = [{'id': i, 'name': name} for i, name in enumerate(CLASSES, 1)]
    return {'images': images, 'annotations': boxes, 'categories': categories}, left_out


def main(argv: list[str] | None = None) -> None:
    """Convert all lists and say what they hold."""
    args = parse_args(argv)
    if args.out.exists():
        raise SystemExit(f'error: {args.out} exists: remove it, or give another --out')
    try:
        with complete_folder(args.out) as folder:
            for split in SPLITS:
                content, left_out = convert(args.source, split)
                (folder / f'{split}.json').write_text(json.dumps(content), encoding='utf-8')
                found = {key: len(content[key]) for key in ('images', 'annotations')}
                print(
                    f'{split}: {found["images"]} images, {found["annotations"]} boxes, {left_out} left out'
                )
            (folder / 'images').symlink_to((args.source / 'JPEGImages').resolve())
    except FileNotFoundError as error:
        raise SystemExit(
            f'error: {error}; expected the folder BCCD of a clone of the data set, with ImageSets/Main, '
            'Annotations and JPEGImages'
        ) from error
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{args.out}: done')


if __name__ == '__main__':
    main()
