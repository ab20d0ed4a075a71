"""Another name of ``export.py``, which serves detectors and segmentors alike."""

import runpy
from pathlib import Path

if __name__ == '__main__':
    runpy.run_path(str(Path(__file__).with_name('export.py')), run_name='__main__')
