"""Hand-over from one training to the next: artefacts, frozen parts, export of the stock model."""

from labelenc_mm.handover.checkpoint_fit import CheckpointFitHook

__all__ = ['CheckpointFitHook']
