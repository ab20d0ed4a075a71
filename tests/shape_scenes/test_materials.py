"""The two worlds: textures and colours of train and val differ in their statistics."""

import numpy as np
import pytest

from labelenc_mm.shape_scenes.layouts import SCENE_TYPES
from labelenc_mm.shape_scenes.materials import MATERIALS, TILE, TextureBank, sample_color


def mean_frequency(tiles):
    """Mean spatial frequency of each tile in cycles per pixel, weighted by spectral power."""
    power = np.abs(np.fft.fft2(tiles)) ** 2
    power[:, 0, 0] = 0
    axis = np.abs(np.fft.fftfreq(TILE))
    radius = np.hypot(axis[:, None], axis[None, :])
    return (power * radius).sum(axis=(1, 2)) / power.sum(axis=(1, 2))


def test_texture_bands_of_the_splits_are_apart():
    train, val = (mean_frequency(TextureBank(split, 0).tiles) for split in ('train', 'val'))
    assert train.max() < val.min() * 1.1
    assert np.median(val) > 2 * np.median(train)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_tiles_are_standardised_and_periodic(split):
    bank = TextureBank(split, 0)
    assert bank.tiles.dtype == np.float32 and bank.tiles.shape[1:] == (TILE, TILE)
    np.testing.assert_allclose(bank.tiles.mean(axis=(1, 2)), 0, atol=0.1)
    np.testing.assert_allclose(bank.tiles.std(axis=(1, 2)), 1, atol=0.15)
    # The step across the seam is no larger than the largest step between columns inside.
    inside = np.abs(np.diff(bank.tiles, axis=2)).mean(axis=1).max(axis=1)
    seam = np.abs(bank.tiles[:, :, 0] - bank.tiles[:, :, -1]).mean(axis=1)
    assert (seam < 1.3 * inside + 0.05).all()


def test_crops_continue_periodically():
    bank = TextureBank('train', 0)
    crop = bank.crop(1, 250, -3, 600, 300)
    expected = np.tile(bank.tiles[1], (3, 4))[253 : 253 + 300, 250 : 250 + 600]
    np.testing.assert_array_equal(crop, expected)


def test_colours_lean_to_the_hue_of_the_split_but_take_any():
    rng = np.random.default_rng(0)
    for split, green_leads in (('train', True), ('val', False)):
        colors = np.array([sample_color('leaf', split, rng) for _ in range(400)])
        assert colors.min() >= 0 and colors.max() <= 255
        share = (colors.argmax(axis=1) == 1).mean()
        assert (share > 0.6) if green_leads else (0.05 < share < 0.45)


def test_scenes_use_known_materials_only():
    used = {name for scene in SCENE_TYPES.values() for name in scene.ground}
    assert used <= MATERIALS.keys()
