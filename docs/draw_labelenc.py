"""Draws docs/labelenc.png, the picture of the README: ``python docs/draw_labelenc.py``."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle

from labelenc_mm.labels import draw_object_maps
from labelenc_mm.shape_scenes import CLASSES, PALETTE, ShapeScenes

SIZE = (192, 256)
SCENE = 11
INK, IMAGE_SIDE, LABEL_SIDE, DISTANCE = '#333333', '#4477aa', '#cc6677', '#228833'


def picture(figure, place, image, title, color, **options):
    """An image in a frame at ``place``, in fractions of the figure."""
    axes = figure.add_axes(place)
    axes.imshow(image, **options)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=9, color=INK, pad=3)
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=1.5)
    return axes


def pyramid(canvas, x, y, color, text):
    """Three feature levels as a stack, their name below."""
    for width, height, offset in ((0.075, 0.052, 0), (0.05, 0.042, 0.07), (0.03, 0.034, 0.13)):
        canvas.add_patch(
            Rectangle((x - width / 2, y + offset), width, height, facecolor=color, alpha=0.75)
        )
    canvas.text(x, y - 0.075, text, ha='center', fontsize=9, color=INK)


def arrow(canvas, start, end, color=INK, **options):
    """An arrow between two points of the canvas."""
    style = {'arrowstyle': '-|>', 'mutation_scale': 12, 'color': color, 'linewidth': 1.5}
    canvas.add_patch(FancyArrowPatch(start, end, **{**style, **options}))


def box(canvas, x, y, text, color, dashed=False):
    """Text in a rounded frame; dashed for what exists in training only."""
    canvas.text(
        x,
        y,
        text,
        ha='center',
        va='center',
        fontsize=9,
        color=INK,
        bbox={
            'boxstyle': 'round,pad=0.5',
            'facecolor': 'white',
            'edgecolor': color,
            'linewidth': 1.5,
            'linestyle': '--' if dashed else '-',
        },
    )


def main():
    """Draw and save the picture."""
    scene = ShapeScenes(size=SIZE, split='train', seed=1)[SCENE]
    classes, maps = draw_object_maps(
        torch.as_tensor(scene.boxes), torch.as_tensor(scene.labels), SIZE
    )
    figure = plt.figure(figsize=(11, 4.2), dpi=110)
    canvas = figure.add_axes((0, 0, 1, 1))
    canvas.set(xlim=(0, 1), ylim=(0, 1))
    canvas.axis('off')

    axes = picture(
        figure, (0.015, 0.1, 0.17, 0.34), scene.image[..., ::-1], 'image and boxes', IMAGE_SIDE
    )
    for (x1, y1, x2, y2), label in zip(scene.boxes, scene.labels, strict=True):
        color = [
            value / 255 for value in PALETTE[label + 1 if len(PALETTE) > len(CLASSES) else label]
        ]
        axes.add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=1.8)
        )
    # The fullest map lies in front.
    shown = sorted(zip(classes.tolist(), maps, strict=True), key=lambda pair: -pair[1].sum())[:3]
    for place, (label, label_map) in reversed(list(enumerate(shown))):
        axes = picture(
            figure,
            (0.015 + 0.04 * place, 0.56 + 0.05 * place, 0.15, 0.28),
            label_map,
            CLASSES[label] if place == 0 else '',
            LABEL_SIDE,
            cmap='magma',
            vmin=0,
            vmax=1,
        )
        axes.title.set_position((0.12, 1))
    canvas.text(0.02, 0.51, 'object maps, one per present class', fontsize=9, color=INK)

    box(canvas, 0.33, 0.72, 'label encoder', LABEL_SIDE, dashed=True)
    box(canvas, 0.33, 0.27, 'backbone\n(stock)', IMAGE_SIDE)
    pyramid(canvas, 0.49, 0.66, LABEL_SIDE, 'label features')
    pyramid(canvas, 0.49, 0.21, IMAGE_SIDE, 'image features (stock neck)')
    box(canvas, 0.49, 0.5, 'distance', DISTANCE, dashed=True)
    box(canvas, 0.7, 0.27, 'head (stock)', IMAGE_SIDE)
    box(canvas, 0.88, 0.27, 'detections', INK)
    arrow(canvas, (0.255, 0.72), (0.275, 0.72), LABEL_SIDE)
    arrow(canvas, (0.19, 0.27), (0.285, 0.27), IMAGE_SIDE)
    arrow(canvas, (0.385, 0.72), (0.445, 0.72), LABEL_SIDE)
    arrow(canvas, (0.375, 0.27), (0.445, 0.27), IMAGE_SIDE)
    arrow(canvas, (0.535, 0.27), (0.64, 0.27), IMAGE_SIDE)
    arrow(canvas, (0.755, 0.27), (0.83, 0.27), INK)
    arrow(canvas, (0.49, 0.575), (0.49, 0.54), DISTANCE)
    arrow(canvas, (0.49, 0.46), (0.49, 0.385), DISTANCE)
    arrow(
        canvas,
        (0.535, 0.72),
        (0.7, 0.33),
        LABEL_SIDE,
        linestyle='--',
        connectionstyle='arc3,rad=-0.25',
    )
    canvas.text(
        0.685,
        0.68,
        'step 1: the head reads the boxes back\nfrom the label features, which shapes them',
        fontsize=9,
        color=INK,
    )
    canvas.text(
        0.685,
        0.52,
        'step 2: the frozen label features\nsupervise the image features',
        fontsize=9,
        color=INK,
    )
    canvas.text(
        0.6,
        0.06,
        'solid: stock detector, all that is left at test time     dashed: training only',
        fontsize=8.5,
        color=INK,
    )
    out = Path(__file__).with_name('labelenc.png')
    figure.savefig(out)
    print(out)


if __name__ == '__main__':
    main()
