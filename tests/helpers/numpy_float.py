"""``numpy.float`` for lvis, as an import of configs: release 0.5.3 names it, NumPy dropped it with 1.24."""

import numpy as np

np.float = float  # noqa: NPY001
