"""The installed toolboxes: which family, whether complete, and how they learn about us.

MMDetection and its relatives exist twice under the same import names: upstream (``mmengine``,
``mmcv``, ``mmdet``, ``mmsegmentation``) and the maintained fork (``onedl-*``). Only this package
knows so. ``python -m labelenc_mm.toolbox`` prints what is installed, what is wrong and the command
that mends it.
"""

from labelenc_mm.toolbox.registration import register, require, toolbox_of

__all__ = ['register', 'require', 'toolbox_of']
