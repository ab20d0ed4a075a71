"""What one training leaves for the next: artefact files, frozen parts, and the export of the stock model."""

from labelenc_mm.handover.checkpoint_fit import CheckpointFitHook

__all__ = ['CheckpointFitHook']
