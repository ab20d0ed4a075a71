"""The same test on the CPU and, where there is one, a GPU: ``parametrize('device', DEVICES)``."""

import pytest

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
