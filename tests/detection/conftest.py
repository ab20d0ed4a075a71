"""What several tests of detectors share."""

import pytest
import torch


@pytest.fixture
def scales(monkeypatch):
    """One run draws the factors of objects by itself: for a comparison, the same for all stages."""
    from labelenc_mm.detection import label_encoding_head, one_run_label_encoding_head

    for module in (label_encoding_head, one_run_label_encoding_head):
        monkeypatch.setattr(
            module, 'sample_object_scales', lambda count, **_: torch.linspace(0.2, 1, count)
        )
