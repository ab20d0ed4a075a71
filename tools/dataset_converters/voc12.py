"""Make the small VOC 2012 of configs/*/voc12: 1,100 / 349 images with class maps and boxes.

The images are the 1,449 of VOC 2012's segmentation list "val", split anew: the 349 names of the lowest SHA-1
are for validation. Writes OUT/train.txt and OUT/val.txt (the names), OUT/train.json and OUT/val.json (boxes
in COCO's format), and the links OUT/images and OUT/labels.

Boxes are those of the XML files without the objects marked difficult. Parts of the class map (30 pixels and
more) of which no box of their class holds half, mostly those objects, become regions to ignore, iscrowd=1,
three pixels wider on each side.
"""

import argparse
import json
import xml.etree.ElementTree as ET
from hashlib import sha1
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from labelenc_mm.files import complete_folder

CLASSES = (
    'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow', 'diningtable',
    'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor',
)  # fmt: skip
VOID = 255
NUM_VAL = 349
MIN_PIXELS = 30  # of a part of the class map that becomes a region to ignore
MARGIN = 3  # around it
Box = tuple[int, int, int, int]  # left, top, right, bottom; half open


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='folder VOC2012 of the VOCdevkit')
    parser.add_argument(
        '--out', type=Path, default='data/voc12', help='folder to make (default: data/voc12)'
    )
    return parser.parse_args(argv)


def split(names: list[str], num_val: int = NUM_VAL) -> dict[str, list[str]]:
    """Names for training and validation, which do not depend on the order of the list."""
    ordered = sorted(names, key=lambda name: sha1(name.encode()).hexdigest())  # noqa: S324
    return {'train': sorted(ordered[num_val:]), 'val': sorted(ordered[:num_val])}


def read_boxes(path: Path) -> list[tuple[int, Box]]:
    """The objects of an XML file that are not difficult, as (label, box)."""
    found = []
    try:
        for item in ET.parse(path).iter('object'):  # noqa: S314  (a file of the user's own choice)
            if item.findtext('difficult') == '1':
                continue
            label = 1 + CLASSES.index(item.findtext('name', ''))
            keys = ('xmin', 'ymin', 'xmax', 'ymax')
            x1, y1, x2, y2 = (int(float(item.findtext(f'bndbox/{key}', ''))) for key in keys)
            found.append((label, (x1 - 1, y1 - 1, x2, y2)))  # VOC counts pixels from 1
    except (ET.ParseError, ValueError) as error:
        raise ValueError(
            f"{path}: {error}; expected XML of PASCAL VOC with numbers in bndbox and VOC's names"
        ) from error
    return found


def ignored_regions(
    label_map: np.ndarray[Any, Any], boxes: list[tuple[int, Box]]
) -> list[tuple[int, Box]]:
    """Parts of a class map, (H, W), of which no box of their class holds half, as (label, box)."""
    height, width = label_map.shape
    found = []
    for label in sorted({*label_map.flat} - {0, VOID}):
        mask = (label_map == label).astype(np.uint8)
        _, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
        for part, (x, y, w, h, pixels) in list(enumerate(stats.tolist()))[1:]:
            held = max(
                (
                    int((parts[y1:y2, x1:x2] == part).sum())
                    for other, (x1, y1, x2, y2) in boxes
                    if other == label
                ),
                default=0,
            )
            if pixels >= MIN_PIXELS and held < pixels / 2:
                left, top = max(x - MARGIN, 0), max(y - MARGIN, 0)
                right, bottom = min(x + w + MARGIN, width), min(y + h + MARGIN, height)
                found.append((int(label), (left, top, right, bottom)))
    return found


def convert(source: Path, stems: list[str], title: str) -> dict[str, Any]:
    """The content of a json: boxes and regions to ignore of the named images.

    Raises:
        OSError: A file is missing.
        ValueError: A file is not as expected.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for stem in tqdm(stems, title, unit='image', disable=None):
        if not (source / 'JPEGImages' / f'{stem}.jpg').is_file():
            raise FileNotFoundError(f'{source / "JPEGImages" / stem}.jpg: no such file')
        label_map = np.asarray(Image.open(source / 'SegmentationClass' / f'{stem}.png'))
        if label_map.ndim != 2 or label_map[label_map != VOID].max(initial=0) > len(CLASSES):
            raise ValueError(
                f'{source / "SegmentationClass" / stem}.png: expected a class map with one channel of '
                f'the numbers 0 to {len(CLASSES)} and {VOID}, found shape {label_map.shape} and '
                f'the values {np.unique(label_map)[:30].tolist()}'
            )
        height, width = label_map.shape
        image_id = int(stem.replace('_', ''))
        images.append(
            {'id': image_id, 'file_name': f'{stem}.jpg', 'width': width, 'height': height}
        )
        boxes = read_boxes(source / 'Annotations' / f'{stem}.xml')
        regions = ignored_regions(label_map, boxes)
        for crowd, objects in enumerate((boxes, regions)):
            for label, (x1, y1, x2, y2) in objects:
                w, h = x2 - x1, y2 - y1
                where = {'image_id': image_id, 'category_id': label, 'bbox': [x1, y1, w, h]}
                number = len(annotations) + 1
                annotations.append({'id': number, **where, 'area': w * h, 'iscrowd': crowd})
    categories = [{'id': i, 'name': name} for i, name in enumerate(CLASSES, 1)]
    return {'images': images, 'annotations': annotations, 'categories': categories}


def main(argv: list[str] | None = None) -> None:
    """Make the data set and say what it holds."""
    args = parse_args(argv)
    if args.out.exists():
        raise SystemExit(f'error: {args.out} exists: remove it, or give another --out')
    listed = args.source / 'ImageSets' / 'Segmentation' / 'val.txt'
    try:
        with complete_folder(args.out) as folder:
            names = listed.read_text(encoding='utf-8').split()
            for title, stems in split(names).items():
                (folder / f'{title}.txt').write_text('\n'.join(stems), encoding='utf-8')
                content = convert(args.source, stems, title)
                (folder / f'{title}.json').write_text(json.dumps(content), encoding='utf-8')
                crowds = sum(each['iscrowd'] for each in content['annotations'])
                boxes = len(content['annotations']) - crowds
                print(f'{title}: {len(stems)} images, {boxes} boxes, {crowds} regions to ignore')
            for link, target in (('images', 'JPEGImages'), ('labels', 'SegmentationClass')):
                (folder / link).symlink_to((args.source / target).resolve())
    except FileNotFoundError as error:
        raise SystemExit(
            f'error: {error}; expected the folder VOC2012 of the VOCdevkit, with ImageSets/Segmentation, '
            'Annotations, JPEGImages and SegmentationClass'
        ) from error
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{args.out}: done')


if __name__ == '__main__':
    main()
