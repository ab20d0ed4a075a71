"""Pictures of colorization: the photo without color, the photo, and the expected colors, side by side."""

from mmseg.registry import HOOKS

from labelenc_mm.pretraining.photo_visualization_hook import PhotoVisualizationHook


@HOOKS.register_module()
class ColorizationVisualizationHook(PhotoVisualizationHook):
    """Draw validation photos: gray, in color, colored by the network, from left to right.

    It takes the place of the hook that draws label maps::

        default_hooks = dict(visualization=dict(type='ColorizationVisualizationHook'))
    """

    panels = ('gray', 'clean', 'colored')
    task = 'colorization'
