"""Outlines of the object classes of shape scenes, each put together from parts.

An object stands in a frame of its own: x to the right, y down, its foot at (0, 0) and its top near
y = -1. Every call draws new proportions, and most classes come in several kinds (a gabled or a hipped
house, a sailing or a motor boat), so that a class is a family of outlines and never one template.

The material of a part says which colours and textures it may take, see
:mod:`labelenc_mm.datasets.materials`; parts of one material look alike within one object.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from labelenc_mm.datasets.parts import Part, box, ellipse, limb, polygon


def house(rng: Generator) -> list[Part]:
    """Walls, a roof that overhangs, a door, windows, sometimes a chimney."""
    half = rng.uniform(0.36, 0.62)
    eaves = -rng.uniform(0.48, 0.66)
    over = rng.uniform(0.03, 0.1)
    ridge = rng.choice([0.0, rng.uniform(0.3, 0.6) * half])  # gabled or hipped
    lean = rng.uniform(-0.1, 0.1) * half
    parts = []
    if rng.random() < 0.5:
        at = rng.uniform(0.3, 0.65) * half * rng.choice([-1, 1])
        parts.append(Part('brick', box(at - 0.06, -rng.uniform(0.93, 1.05), at + 0.06, eaves)))
    parts.append(Part('wall', box(-half, eaves, half, 0)))
    roof = polygon(
        (-half - over, eaves), (lean - ridge, -1), (lean + ridge, -1), (half + over, eaves)
    )
    parts.append(Part('roof', roof))
    door_x = rng.uniform(-0.6, 0.6) * half
    door_half, door_top = rng.uniform(0.07, 0.1), -rng.uniform(0.26, 0.34)
    parts.append(Part('door', box(door_x - door_half, door_top, door_x + door_half, 0)))
    side = rng.uniform(0.05, 0.075)
    middle = (eaves + rng.uniform(-0.28, -0.2)) / 2
    for x in np.linspace(-0.66, 0.66, int(rng.integers(2, 4))) * half:
        if abs(x - door_x) > door_half + side + 0.02:
            parts.append(Part('glass', box(x - side, middle - side, x + side, middle + side)))
    if rng.random() < 0.4:
        y = eaves - 0.36 * (1 + eaves)
        parts.append(Part('glass', ellipse(lean, y, 0.06, 0.06, 12)))
    return parts


def car(rng: Generator) -> list[Part]:
    """Body, cabin with windows, two wheels, lights; saloon, van or pick-up."""
    half = rng.uniform(1.0, 1.35)
    floor, belt = -0.18, -rng.uniform(0.54, 0.62)
    nose = rng.uniform(0.08, 0.22)
    kind = rng.choice(['saloon', 'van', 'pickup'], p=[0.5, 0.25, 0.25])
    front, back = half * rng.uniform(0.3, 0.48), -half * rng.uniform(0.55, 0.75)
    slope_front, slope_back = rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.3)
    if kind == 'van':
        front, back, slope_front, slope_back = (
            half * 0.72,
            -half * 0.97,
            rng.uniform(0.1, 0.25),
            0.03,
        )
    elif kind == 'pickup':
        back, slope_back = -half * rng.uniform(0.05, 0.2), 0.04
    cabin = polygon((back, belt), (back + slope_back, -1), (front - slope_front, -1), (front, belt))
    pillar, top = rng.uniform(0.05, 0.1), -0.92
    middle = (front + back) / 2 + rng.uniform(-0.08, 0.08)
    front_window = polygon(
        (middle + pillar / 2, belt),
        (middle + pillar / 2, top),
        (front - slope_front - 0.04, top),
        (front - pillar, belt),
    )
    back_window = polygon(
        (back + pillar, belt),
        (back + slope_back + 0.04, top),
        (middle - pillar / 2, top),
        (middle - pillar / 2, belt),
    )
    body = polygon(
        (-half, floor),
        (-half, belt + 0.06),
        (-half + 0.07, belt),
        (half - nose - 0.1, belt),
        (half - 0.03, belt + nose),
        (half, floor),
    )
    parts = [Part('paint', cabin), Part('glass', front_window), Part('glass', back_window)]
    parts.append(Part('paint', body))
    parts.append(Part('light', box(half - 0.14, belt + nose, half - 0.02, belt + nose + 0.12)))
    radius = rng.uniform(0.2, 0.25)
    for x in (-half * rng.uniform(0.56, 0.66), half * rng.uniform(0.56, 0.66)):
        parts.append(Part('rubber', ellipse(x, -radius, radius, radius)))
        parts.append(Part('metal', ellipse(x, -radius, radius * 0.45, radius * 0.45, 12)))
    return parts


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


def boat(rng: Generator) -> list[Part]:
    """A hull with two sails on a mast, or with a cabin and a funnel."""
    half = rng.uniform(0.45, 0.62)
    deck = -rng.uniform(0.2, 0.27)
    keel_left, keel_right = -half * rng.uniform(0.6, 0.8), half * rng.uniform(0.5, 0.7)
    hull = polygon((-half, deck), (half, deck - 0.03), (keel_right, 0), (keel_left, 0))
    stripe = deck + 0.07
    band = polygon(
        (-half * 0.97, deck + 0.03),
        (half * 0.95, deck + 0.03),
        (half * 0.86, stripe),
        (-half * 0.9, stripe),
    )
    if rng.random() < 0.6:
        mast = rng.uniform(-0.1, 0.1)
        boom = deck - rng.uniform(0.04, 0.09)
        parts = [
            Part('bark', box(mast - 0.022, -1, mast + 0.022, deck)),
            Part('sail', polygon((mast + 0.04, -0.97), (mast + 0.04, boom), (half * 0.95, boom))),
        ]
        if rng.random() < 0.75:
            front = polygon(
                (mast - 0.04, -rng.uniform(0.8, 0.95)), (mast - 0.04, boom), (-half * 0.8, boom)
            )
            parts.append(Part('sail', front))
    else:
        half, scale = half * 1.35, 1.35
        hull, band = hull * (scale, 1.5), band * (scale, 1.5)
        deck *= 1.5
        roof = deck - rng.uniform(0.28, 0.36)
        left, right = -half * rng.uniform(0.35, 0.55), half * rng.uniform(0.2, 0.4)
        at = rng.uniform(left + 0.1, right - 0.1)
        parts = [
            Part(
                'brick',
                polygon((at - 0.09, roof), (at - 0.06, -1), (at + 0.08, -1), (at + 0.09, roof)),
            ),
            Part('wall', polygon((left, deck), (left, roof), (right - 0.08, roof), (right, deck))),
        ]
        for x in np.linspace(left + 0.1, right - 0.15, 3):
            parts.append(Part('glass', ellipse(x, (roof + deck) / 2, 0.055, 0.055, 12)))
    return [*parts, Part('hull', hull), Part('door', band)]


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
    """Body, forked tail, fins, eye, sometimes bands."""
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
    parts.append(
        Part('fin', polygon((0.2 * half, -0.42), (-0.15 * half, -0.2), (-0.1 * half, -0.45)))
    )
    parts.append(Part('sail', ellipse(half * 0.62, -0.56, 0.1, 0.1, 12)))
    parts.append(Part('eye', ellipse(half * 0.64, -0.56, 0.055, 0.055, 8)))
    return parts


def lamp(rng: Generator) -> list[Part]:
    """A street lamp: base, pole, and a lantern, a bent arm or two globes."""
    width = rng.uniform(0.045, 0.07)
    parts = [Part('metal', polygon((-0.1, 0), (-0.06, -0.08), (0.06, -0.08), (0.1, 0)))]
    kind = rng.choice(['lantern', 'arm', 'globes'])
    top = -0.78 if kind == 'lantern' else -0.95
    parts.append(Part('metal', box(-width / 2, top, width / 2, -0.04)))
    if kind == 'lantern':
        low, high = rng.uniform(0.05, 0.08), rng.uniform(0.1, 0.14)
        parts.append(
            Part('light', polygon((-low, -0.76), (-high, -0.93), (high, -0.93), (low, -0.76)))
        )
        parts.append(
            Part('metal', polygon((-high - 0.03, -0.92), (0, -1.02), (high + 0.03, -0.92)))
        )
    elif kind == 'arm':
        reach = rng.uniform(0.26, 0.4)
        parts.append(Part('metal', limb((0, -0.94), (reach, -0.98), width)))
        parts.append(
            Part(
                'light',
                polygon(
                    (reach - 0.13, -0.98),
                    (reach + 0.1, -1),
                    (reach + 0.07, -0.87),
                    (reach - 0.1, -0.87),
                ),
            )
        )
    else:
        reach = rng.uniform(0.13, 0.2)
        parts.append(Part('metal', limb((-reach, -0.86), (reach, -0.86), width)))
        for x in (-reach, reach):
            parts.append(Part('light', ellipse(x, -0.92, 0.085, 0.085, 14)))
    return parts


OUTLINES: dict[str, Callable[[Generator], list[Part]]] = {
    'house': house,
    'tree': tree,
    'person': person,
    'car': car,
    'boat': boat,
    'bird': bird,
    'fish': fish,
    'lamp': lamp,
}
"""Class name to the function that draws one of its outlines; the order is that of the class ids."""
