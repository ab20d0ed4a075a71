"""Pictures of the ground truth beside the predictions of several models, one row an image."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.engine.data.samples import backend_of

BORDER = 4
"""Pixels of white right of each panel and below it."""


class Drawer(Protocol):
    """Draws what models of one toolbox find in a data set."""

    dataset: Any
    models: Sequence[Any]

    def draw(self, image: np.ndarray, sample: Any, model: Any = None) -> np.ndarray:
        """RGB picture of the ground truth of a sample, or of what a model finds in its BGR image."""


def compare(drawer: Drawer, titles: Sequence[str], count: int) -> Iterator[tuple[str, np.ndarray]]:
    """The first samples of a data set: name of a file for each, and its (H, W, 3) BGR picture.

    Args:
        drawer: Of the data set and models.
        titles: Of the models.
        count: Samples.
    """
    names = set()
    for index in range(min(count, len(drawer.dataset))):
        sample = drawer.dataset[index]['data_samples']
        image = read_image(sample, backend_of(drawer.dataset))
        panels = [add_title(drawer.draw(image, sample), 'ground truth')]
        for title, model in zip(titles, drawer.models, strict=True):
            panels.append(add_title(drawer.draw(image, sample, model), title))
        stem = Path(sample.img_path).stem
        name = f'{stem}_{index}.png' if stem in names else f'{stem}.png'  # of another folder
        names.add(stem)
        yield name, cv2.cvtColor(np.hstack(panels), cv2.COLOR_RGB2BGR)


def load_model(init: Callable, config: Config, checkpoint: str, device: str) -> Any:
    """Build a model by the toolbox's ``init`` and load a checkpoint, which may hold more than it needs.

    Raises:
        ValueError: The checkpoint lacks weights of the model, or has them in other shapes.
    """
    model = init(config, None, device=device)
    content = CheckpointLoader.load_checkpoint(follow_record(checkpoint), map_location='cpu')
    try:
        missing = model.load_state_dict(
            content.get('state_dict', content), strict=False
        ).missing_keys
    except RuntimeError as error:
        raise ValueError(f'{checkpoint} does not fit the config: {error}') from error
    if missing:
        names = textwrap.shorten(', '.join(missing), 200)
        raise ValueError(f'{checkpoint} does not fit the config, it lacks {names}')
    return model


def add_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Put a white line with the title above a (H, W, 3) uint8 picture, and a border around it."""
    line = np.full((24, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(line, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    picture = np.vstack([line, picture])
    return np.pad(picture, ((0, BORDER), (0, BORDER), (0, 0)), constant_values=255)


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
    """A (H, W, 3) image, ``scale`` times as large."""
    return cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))


def read_image(sample: Any, backend_args: Any) -> np.ndarray:
    """The (H, W, 3) BGR image of a sample, from wherever its data set has it."""
    path = sample.metainfo.get('img_path')
    if path is None:
        raise ValueError(
            'a sample does not say where its image is: add img_path to meta_keys of the transform that '
            'packs the inputs of val_dataloader'
        )
    image = mmcv.imread(path, backend_args=backend_args)
    if image is None:
        raise ValueError(f'{path}: cannot be read as an image')
    return image
