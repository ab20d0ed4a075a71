"""Pictures of denoising pretraining: clean, corrupted and restored, side by side."""

from mmseg.registry import HOOKS

from labelenc_mm.pretraining.photo_visualization_hook import PhotoVisualizationHook


@HOOKS.register_module()
class DenoisingVisualizationHook(PhotoVisualizationHook):
    """Draw validation photos: clean, corrupted, restored, from left to right.

    It takes the place of the hook that draws label maps::

        default_hooks = dict(visualization=dict(type='DenoisingVisualizationHook'))
    """

    panels = ('clean', 'noisy', 'restored')
    task = 'denoising'
