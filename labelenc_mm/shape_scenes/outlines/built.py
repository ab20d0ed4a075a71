"""Outlines of what people build: house, car, boat, lamp.

Each function draws one outline: parts from back to front in the frame of the object, x to the
right, y down, its foot at (0, 0), its top near y = -1, looking to the right where it has a front.
"""

import numpy as np
from numpy.random import Generator

from labelenc_mm.shape_scenes.outlines.parts import Part, box, ellipse, limb, polygon


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
        for x in np.arange(left + 0.11, right - 0.14, 0.16):
            parts.append(Part('glass', ellipse(float(x), (roof + deck) / 2, 0.055, 0.055, 12)))
    return [*parts, Part('hull', hull), Part('door', band)]


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
