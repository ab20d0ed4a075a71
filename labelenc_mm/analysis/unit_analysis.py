"""Units of a backbone on photos: their activations, layer by layer and batch by batch, in one or two states.

What :mod:`feature_shift` and :mod:`top_patches` are made of.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS
from torch import Tensor, nn

from labelenc_mm.analysis.feature_shift import StreamingCorrelation
from labelenc_mm.analysis.pictures import spread_evenly
from labelenc_mm.analysis.top_patches import TopPatches, receptive_field, window_around
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.networks.blank_image import image_channels
from labelenc_mm.networks.named_features import FeatureRecorder
from labelenc_mm.networks.tapped_chain import TappedChain
from labelenc_mm.segmentation.data.gray_images import backbone_input
from labelenc_mm.segmentation.trained_backbone import build_backbone, read_weights


class State:
    """A backbone with weights, and what prepares images for it.

    Args:
        config: Of a training, with ``model.backbone`` and ``model.data_preprocessor``.
        checkpoint: Its checkpoint, or what it has left.
        device: Where activations are computed.
    """

    def __init__(self, config: Config, checkpoint: str, device: str = 'cpu') -> None:
        if config.model.get('data_preprocessor') is None:
            raise ValueError(
                f'{config.filename} has no model.data_preprocessor, whose normalisation photos need'
            )
        tensors, _ = read_weights(follow_record(checkpoint))
        self.backbone = build_backbone(config, tensors).to(device)
        self.preprocessor = MODELS.build(config.model.data_preprocessor).to(device)
        self.channels = image_channels(self.backbone)

    def layers(self) -> list[str]:
        """The taps that are layers: all but the image."""
        return [tap for tap in getattr(self.backbone, 'taps', ()) if tap != 'data']

    @torch.no_grad()
    def activations(self, images: Sequence[Tensor], layers: Sequence[str]) -> dict[str, Tensor]:
        """(N, C, h, w) of each layer on (3, H, W) uint8 BGR images."""
        with FeatureRecorder(self.backbone, layers, inside=True).record() as maps:
            self.backbone(backbone_input(images, self.preprocessor, self.channels))
        return maps


def read_photos(path: Path, size: int) -> Any:
    """The photos of a folder, or of a list beside them, as squares of so many pixels."""
    pipeline = [
        dict(type='LoadPhoto', reduce_to=size),
        dict(type='Resize', scale=(size, size), keep_ratio=False),
        dict(type='PackPhotos'),
    ]
    where = (
        dict(data_prefix=dict(img_path=str(path)))
        if path.is_dir()
        else dict(ann_file=str(path.absolute()), data_root=str(path.absolute().parent))
    )
    return DATASETS.build(dict(type='PhotoDataset', pipeline=pipeline, test_mode=True, **where))


def batches(photos: Any, batch_size: int) -> Iterator[list[Tensor]]:
    """(3, H, W) uint8 BGR images, some at once."""
    for first in range(0, len(photos), batch_size):
        last = min(first + batch_size, len(photos))
        yield [photos[index]['inputs'] for index in range(first, last)]


class Analysis:
    """Everything that one pass over the photos gathers, of the layers that are asked for.

    Args:
        states: One state of a network, or two, before and after a fine-tuning.
        layers: Paths of modules of their backbones.
        patches: K of :class:`TopPatches`; 0 for none.
    """

    def __init__(self, states: Sequence[State], layers: Sequence[str], patches: int) -> None:
        self.states = list(states)
        self.layers = list(layers)
        self.shifts = (
            {layer: StreamingCorrelation() for layer in layers} if len(states) == 2 else {}
        )
        self.tops = (
            [{layer: TopPatches(patches) for layer in layers} for _ in states] if patches else []
        )
        self.strides: dict[str, float] = {}

    def run(self, photos: Any, batch_size: int) -> None:
        """Pass all photos."""
        for images in batches(photos, batch_size):
            found = [state.activations(images, self.layers) for state in self.states]
            for layer in self.layers:
                maps = [activations[layer] for activations in found]
                self.strides[layer] = images[0].shape[-1] / maps[0].shape[-1]
                if self.shifts:
                    self.shifts[layer].add(*maps)
                for tops, each in zip(self.tops, maps, strict=bool(self.tops)):
                    tops[layer].add(each)

    def number_of_units(self, layer: str) -> int:
        """Units of a layer whose patches were gathered."""
        return len(self._responses(layer))

    def choose_units(self, layer: str, number: int) -> list[int]:
        """Units of a layer, spread evenly from the least to the most changed one, or else by number.

        None is one that never responds.
        """
        strongest = self._responses(layer)[:, 0].tolist()
        alive = [unit for unit, value in enumerate(strongest) if value > 0]
        if self.shifts:
            correlations = self.shifts[layer].result()
            alive = [unit for unit in alive if not np.isnan(correlations[unit])]
            alive.sort(key=lambda unit: -correlations[unit])
        return [alive[index] for index in spread_evenly(number, len(alive))] if alive else []

    def patches_of(
        self, layer: str, unit: int, photos: Any, side: int | None
    ) -> list[list[np.ndarray]]:
        """Of each state, the (side, side, 3) BGR parts of the photos at which a unit responds most.

        Args:
            layer: Of the unit.
            unit: Its number.
            photos: Those that were passed.
            side: Of the parts in pixels; by default what the unit sees, but at most half of the photo.
        """
        blocks = []
        for tops in self.tops:
            patches = []
            for index, row, column in tops[layer].of_unit(unit):
                image = photos[index]['inputs'].permute(1, 2, 0).numpy()
                size = image.shape[:2]
                length = side or min(self._field(layer), size[0] // 2)
                window = window_around((row, column), self.strides[layer], length, size)
                left, top, length = window
                patches.append(image[top : top + length, left : left + length])
            blocks.append(patches)
        return blocks

    def _responses(self, layer: str) -> Tensor:
        values = self.tops[0][layer].values
        assert values is not None
        return values

    def _field(self, layer: str) -> int:
        backbone: nn.Module = self.states[0].backbone
        if not isinstance(backbone, TappedChain):
            raise ValueError(
                f'what a unit of {type(backbone).__name__} sees is known of a TappedVGG or TappedAlexNet '
                'alone: give --window'
            )
        return receptive_field(backbone, layer)
