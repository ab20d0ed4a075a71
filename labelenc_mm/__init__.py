"""Training-time supervision through encoded labels for MMDetection 3.x and MMSegmentation 1.x.

``import labelenc_mm`` tells the installed toolboxes about our models, hooks and configs (see
:mod:`labelenc_mm.toolbox`); it also works where a toolbox is missing, so that
``python -m labelenc_mm.toolbox`` can say what to install.
"""

from pathlib import Path

__version__ = '0.1.0'

_PACKAGE = Path(__file__).resolve().parent
# An installed package carries its configs under .mim, where mmengine looks for them; a plain clone
# has them beside the package.
_CONFIG_ROOTS = (_PACKAGE / '.mim' / 'configs', _PACKAGE.parent / 'configs')


def config(name: str) -> str:
    """Return the absolute path of one of our configs, from a clone, an editable install or a wheel.

    Args:
        name (str): Path below ``configs``, e.g. ``'labelenc/_base_/labelenc.py'``.

    Returns:
        str: An absolute path. ``_base_ = __import__('labelenc_mm').config(...)`` works in any
        config, also under the toolboxes' own tools.

    Raises:
        FileNotFoundError: There is no such config; the message lists what its folder holds.
    """
    for root in _CONFIG_ROOTS:
        if (root / name).is_file():
            return str(root / name)
    root = next((root for root in _CONFIG_ROOTS if root.is_dir()), _CONFIG_ROOTS[-1])
    folder = (root / name).parent
    known = ', '.join(sorted(path.relative_to(root).as_posix() for path in folder.glob('*.py')))
    hint = f'That folder holds: {known}.' if known else 'Names start with a folder: labelenc/x.py.'
    raise FileNotFoundError(f'labelenc_mm has no config {name!r} under {root}. {hint}')


from labelenc_mm import toolbox  # noqa: E402  (after __version__ and config, which the modules registered here may use)

toolbox.register(
    root=('labelenc_mm.engine', 'labelenc_mm.handover'),
    # those of mmseg bring segmentation with them, on which they stand
    plugged_in={
        'mmdet': ['labelenc_mm.detection'],
        'mmseg': ['labelenc_mm.pretraining', 'labelenc_mm.datasets', 'labelenc_mm.evaluation'],
    },
)

__all__ = ['__version__', 'config', 'toolbox']
