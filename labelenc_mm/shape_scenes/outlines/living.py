"""Outlines of what lives: tree, person, bird, fish.

Each function draws one outline: parts from back to front in the frame of the object, x to the
right, y down, its foot at (0, 0), its top near y = -1, looking to the right where it has a front.
"""

import numpy as np
from numpy.random import Generator

from labelenc_mm.shape_scenes.outlines.parts import Part, box, ellipse, limb, polygon


def tree(rng: Generator) -> list[Part]:
    """A trunk and a crown: round, tall, of several balls, or a conifer."""
    trunk_top = -rng.uniform(0.3, 0.5)
    foot, neck = rng.uniform(0.055, 0.09), rng.uniform(0.04, 0.055)
    trunk = polygon((-foot, 0), (-neck, trunk_top - 0.1), (neck, trunk_top - 0.1), (foot, 0))
    parts = [Part('bark', trunk)]
    kind = rng.choice(['ball', 'cloud', 'conifer'])
    middle, half = (trunk_top - 1) / 2, (1 + trunk_top) / 2 + 0.03
    if kind == 'ball':
        parts.append(Part('leaf', ellipse(0, middle, rng.uniform(0.2, 0.42), half)))
    elif kind == 'cloud':
        spread = rng.uniform(0.18, 0.28)
        for x, y in ((-spread, 0.1), (spread, 0.06), (0, -0.1), (rng.uniform(-0.1, 0.1), 0.12)):
            size = half * rng.uniform(0.62, 0.8)
            parts.append(Part('leaf', ellipse(x, middle + y, size * 0.95, size)))
    else:
        width, tiers = rng.uniform(0.26, 0.38), int(rng.integers(2, 4))
        low = -rng.uniform(0.12, 0.26)
        step = (1 + low) / (tiers + 0.6)
        for tier in range(tiers):
            y, reach = low - tier * step, width * (1 - 0.24 * tier)
            tip = -1.0 if tier == tiers - 1 else y - 1.7 * step
            parts.append(Part('leaf', polygon((-reach, y), (0, tip), (reach, y))))
    return parts


def person(rng: Generator) -> list[Part]:
    """Head, torso, two arms, two legs; walking, standing, waving, in trousers or in a skirt."""
    hip, neck = -rng.uniform(0.43, 0.5), -rng.uniform(0.76, 0.8)
    shoulder, waist = rng.uniform(0.12, 0.17), rng.uniform(0.09, 0.13)
    stride = rng.uniform(0.02, 0.2)
    parts = []
    for side in (-1, 1):
        parts.append(Part('trousers', limb((side * 0.055, hip), (side * (0.05 + stride), 0), 0.1)))
        turn = rng.uniform(0.1, 0.9) if rng.random() < 0.7 else rng.uniform(2.0, 2.7)
        hand = (side * (shoulder + 0.33 * np.sin(turn)), neck + 0.06 + 0.33 * np.cos(turn))
        parts.append(Part('cloth', limb((side * shoulder * 0.85, neck + 0.05), hand, 0.075)))
        parts.append(Part('skin', ellipse(*hand, 0.045, 0.045, 8)))
    if rng.random() < 0.3:
        hem = hip + rng.uniform(0.12, 0.24)
        flare = waist + rng.uniform(0.06, 0.12)
        parts.append(
            Part('trousers', polygon((-waist, hip), (waist, hip), (flare, hem), (-flare, hem)))
        )
    torso = polygon((-shoulder, neck), (shoulder, neck), (waist, hip + 0.03), (-waist, hip + 0.03))
    parts.append(Part('cloth', torso))
    radius = rng.uniform(0.1, 0.125)
    parts.append(Part('skin', ellipse(0, -1 + radius, radius * 0.9, radius)))
    if rng.random() < 0.7:
        brim = -1 + radius * rng.uniform(0.55, 0.85)
        wide = radius * rng.uniform(0.85, 1.4)
        parts.append(
            Part(
                'hair',
                polygon((-wide, brim), (-radius * 0.7, -1.02), (radius * 0.7, -1.02), (wide, brim)),
            )
        )
    return parts


def bird(rng: Generator) -> list[Part]:
    """Body, head with beak and eye, tail, and spread wings in flight or legs on the ground."""
    parts = []
    if rng.random() < 0.55:
        lift = rng.uniform(0.25, 0.5)
        length = rng.uniform(0.8, 1.05)
        parts.append(Part('feather', polygon((-0.45, -0.36), (-0.95, -0.52), (-0.95, -0.24))))
        for side in (-1, 1):
            tip = (side * length - 0.1, -0.4 - lift - 0.1)
            wing = polygon(
                (-0.2, -0.3),
                (side * 0.5 - 0.1, -0.42 - lift),
                tip,
                (side * 0.45, -0.42),
                (0.2, -0.3),
            )
            parts.append(Part('wing', wing))
        parts.append(Part('feather', ellipse(0, -0.33, rng.uniform(0.5, 0.6), 0.17)))
        head = (0.55, -0.42)
    else:
        for x in (-0.1, 0.12):
            parts.append(Part('beak', box(x - 0.035, -0.3, x + 0.035, 0)))
        parts.append(
            Part('feather', polygon((-0.3, -0.45), (-0.9, -0.62), (-0.85, -0.36), (-0.3, -0.3)))
        )
        parts.append(
            Part('feather', ellipse(0, -0.46, rng.uniform(0.42, 0.5), rng.uniform(0.22, 0.27)))
        )
        parts.append(Part('wing', polygon((-0.5, -0.5), (0.15, -0.6), (0.2, -0.4), (-0.15, -0.32))))
        parts.append(Part('feather', limb((0.28, -0.5), (0.38, -0.78), 0.22)))
        head = (0.4, -0.82)
    size = rng.uniform(0.16, 0.2)
    beak = rng.uniform(0.2, 0.36)
    parts.append(
        Part(
            'beak',
            polygon(
                (head[0], head[1] - 0.08),
                (head[0] + size + beak, head[1] + 0.02),
                (head[0], head[1] + 0.09),
            ),
        )
    )
    parts.append(Part('feather', ellipse(*head, size, size)))
    parts.append(Part('eye', ellipse(head[0] + 0.06, head[1] - 0.04, 0.05, 0.05, 8)))
    return parts


def fish(rng: Generator) -> list[Part]:
    """Body, forked tail, back fin, eye, and bands or a side fin."""
    half, thick = rng.uniform(0.75, 1.05), rng.uniform(0.32, 0.46)
    turn = np.linspace(0, np.pi, 12)
    along = half * np.cos(turn)
    bulge = thick * np.sin(turn) ** rng.uniform(0.7, 1.1)
    upper = np.stack([along, -0.5 - bulge], axis=1)
    lower = np.stack([along, -0.5 + bulge], axis=1)[::-1]
    fork, span = rng.uniform(0.08, 0.25), rng.uniform(0.34, 0.48)
    root, end = -half * 0.82, -half - rng.uniform(0.35, 0.55)
    parts = [
        Part(
            'fin', polygon((root, -0.5), (end, -0.5 - span), (end + fork, -0.5), (end, -0.5 + span))
        ),
        Part(
            'fin',
            polygon(
                (half * 0.35, -0.5 - thick * 0.8), (-0.1, -1.04), (-half * 0.5, -0.5 - thick * 0.5)
            ),
        ),
        Part('scale', np.concatenate([upper, lower])),
    ]
    if rng.random() < 0.5:
        for x in np.linspace(-0.35, 0.3, int(rng.integers(2, 4))) * half:
            reach = thick * np.sqrt(1 - (x / half) ** 2) * 0.85
            parts.append(Part('fin', limb((x, -0.5 - reach), (x - 0.04, -0.5 + reach), 0.12)))
    else:
        side_fin = polygon((0.2 * half, -0.42), (-0.15 * half, -0.2), (-0.1 * half, -0.45))
        parts.append(Part('fin', side_fin))
    parts.append(Part('sail', ellipse(half * 0.62, -0.56, 0.1, 0.1, 12)))
    parts.append(Part('eye', ellipse(half * 0.64, -0.56, 0.055, 0.055, 8)))
    return parts
