"""Which components of a normal change their sign when its image is mirrored."""

MIRRORED = {'horizontal': (-1, 1, 1), 'vertical': (1, -1, 1), 'diagonal': (-1, -1, 1)}
"""Direction of the flip, as mmcv names it -> signs of x, y and z."""
