"""Regions of label maps: which there are, what is in them, how much two agree."""

import numpy as np
import pytest
import torch
from segmentation_models import random_maps

from labelenc_mm.analysis.label_regions import (
    NOWHERE,
    Regions,
    cut_regions,
    label_agreement,
    main_class,
)

STRIDE = 8


@pytest.mark.parametrize('size', [(32, 40), (29, 37), (33, 41), (8, 8), (3, 3)])
def test_regions_are_the_cells_of_which_more_than_half_is_labelled(size):
    label_map = random_maps(1, size, void=0.3, seed=3)[0]
    label_map[:4, :8] = 255  # exactly half of the first cell
    cells = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
    code = torch.randn(6, *cells)
    regions = cut_regions(code, label_map, STRIDE, 255)
    expected = []
    for row, column in np.ndindex(*cells):
        part = label_map[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8].numpy()
        if (part != 255).sum() > STRIDE**2 / 2:
            expected.append((row, column, part))
    assert (0, 0) not in [e[:2] for e in expected]
    assert regions.cells.tolist() == [[row, column] for row, column, _ in expected]
    for i, (row, column, part) in enumerate(expected):
        assert torch.equal(regions.codes[i], code[:, row, column])
        whole = np.full((8, 8), NOWHERE)
        whole[: part.shape[0], : part.shape[1]] = np.where(part == 255, NOWHERE, part)
        assert np.array_equal(regions.labels[i].numpy(), whole)


def test_more_than_255_classes_and_another_void():
    label_map = torch.full((8, 8), 300)
    label_map[0] = 1000
    regions = cut_regions(torch.zeros(1, 1, 1), label_map, STRIDE, 1000)
    assert main_class(regions.labels).tolist() == [300]
    assert (regions.labels[0, 0] == NOWHERE).all() and (regions.labels[0, 1:] == 300).all()


@pytest.mark.parametrize('cells', [(3, 5), (5, 5), (4, 4), (4, 6)])
def test_a_code_of_another_map_is_refused(cells):
    with pytest.raises(ValueError, match='does not belong to a label map of 32 x 40 pixels'):
        cut_regions(torch.zeros(2, *cells), torch.zeros(32, 40, dtype=torch.long), STRIDE, 255)


def test_main_class_and_agreement_are_counts():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randint(-1, 4, (2, 50, 4, 4), generator=generator).to(torch.int16)
    for labels, main in zip(first.numpy(), main_class(first).tolist()):
        values, counts = np.unique(labels[labels >= 0], return_counts=True)
        assert main == values[counts.argmax()]  # the lowest of the most common
    expected = []
    for a, b in zip(first.numpy().reshape(50, -1), second.numpy().reshape(50, -1)):
        both = [(x, y) for x, y in zip(a, b) if x >= 0 and y >= 0]
        expected.append(sum(x == y for x, y in both) / len(both))
    torch.testing.assert_close(
        label_agreement(first, second).double(),
        torch.tensor(expected, dtype=torch.double),
        atol=1e-6,
        rtol=0,
    )
    nothing = torch.full((4, 4), NOWHERE, dtype=torch.int16)
    assert label_agreement(first, nothing).isnan().all()


def test_regions_can_be_taken_and_joined():
    regions = Regions(
        torch.arange(6.0).reshape(3, 2), torch.arange(6).reshape(3, 2), torch.zeros(3, 4, 4)
    )
    joined = Regions.cat([regions[torch.tensor([2])], regions[:2]])
    assert joined.codes[:, 0].tolist() == [4, 0, 2] and len(joined) == 3
    assert len(main_class(regions[:0].labels)) == 0
