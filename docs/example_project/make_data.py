"""Write a small data set of drawn parcels: ``python make_data.py data/parcels``."""

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

COLORS = {'box': (60, 120, 200), 'bag': (80, 200, 90), 'tube': (200, 90, 160)}


def write_split(root: Path, split: str, num_images: int, size: int, seed: int) -> None:
    """Write ``num_images`` images of ``size`` pixels and the CSV file of their boxes."""
    rng = np.random.default_rng(seed)
    folder = root / split
    folder.mkdir(parents=True, exist_ok=True)
    with open(root / f'{split}.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['image', 'label', 'x1', 'y1', 'x2', 'y2'])
        for index in range(num_images):
            image = rng.integers(90, 130, (size, size, 3), np.uint8)
            name = f'{index:04}.png'
            count = int(rng.integers(4))
            if count == 0:
                writer.writerow([name, '', '', '', '', ''])
            for _ in range(count):
                label = str(rng.choice(list(COLORS)))
                width, height = rng.integers(size // 6, size // 2, 2).tolist()
                x, y = (int(rng.integers(size - side)) for side in (width, height))
                cv2.rectangle(image, (x, y), (x + width, y + height), COLORS[label], -1)
                writer.writerow([name, label, x, y, x + width, y + height])
            cv2.imwrite(str(folder / name), image)


def main() -> None:
    """Write both splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path, help='folder to write')
    parser.add_argument('--train', type=int, default=200, help='number of training images')
    parser.add_argument('--val', type=int, default=50, help='number of validation images')
    parser.add_argument('--size', type=int, default=128, help='width and height in pixels')
    args = parser.parse_args()
    write_split(args.root, 'train', args.train, args.size, seed=0)
    write_split(args.root, 'val', args.val, args.size, seed=1)


if __name__ == '__main__':
    main()
