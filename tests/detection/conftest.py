"""What several tests of detectors share."""

import pytest


@pytest.fixture
def scales():
    """One run draws the factors of objects by itself: for a comparison, the same for all stages."""
    from detection_models import same_scales

    with same_scales():
        yield
