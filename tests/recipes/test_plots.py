"""A plot is complete or not there; what is in it is tested with the report."""

import pytest
from matplotlib.figure import Figure

from labelenc_mm.recipes.plots import write_plot


def test_a_plot_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(figure, path, **_):
        path.write_bytes(b'half a picture')
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, 'savefig', fail)
    path = tmp_path / 'curves.png'
    path.write_bytes(b'whole')
    with pytest.raises(KeyboardInterrupt):
        write_plot({'metric': 'AP', 'x': 'epoch', 'stages': []}, [], path)
    assert path.read_bytes() == b'whole'
