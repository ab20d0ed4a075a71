"""Photos without labels: a folder, or a list of millions of paths, as a data set of MMSegmentation."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.fileio import get, join_path, list_dir_or_file
from mmengine.utils import is_abs
from mmseg.registry import DATASETS

from labelenc_mm.engine.sample_error_hook import SampleError
from labelenc_mm.errors import LabelEncMMError

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')
_ATTEMPTS = 100  # damaged photos in a row, after which the data as a whole is in question


def photo_facts(metainfo: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is known of a training, what a checkpoint and an artefact say of its photos."""
    return {key: metainfo.get(key) for key in ('photos', 'photo_sources')}


class PhotoError(LabelEncMMError, ValueError):
    """A photo that cannot be used, or a list of none; names the file and a remedy."""


@DATASETS.register_module()
class PhotoDataset(BaseDataset):
    """Photos of a folder and all below it, or of a list.

    Several roots are joined by mmengine's ``ConcatDataset``. A list is read once and kept as one array of
    bytes, which worker processes share: about as much memory as the file has, whatever its length. No folder
    is walked then.

    Args:
        data_root: Folder that ``ann_file`` and ``data_prefix`` are relative to.
        ann_file: Text file with one path a line, relative to the folder of photos, or absolute. White space
            around it and empty lines are ignored; paths may contain spaces.
        data_prefix: ``img_path`` is the folder of photos below ``data_root``.
        skip_damaged: Whether a photo that is missing, truncated or no image is replaced by another one, the
            same in every epoch and on every rank, instead of ending the training. Needs :class:`LoadPhoto`.
            The hook of the training lists such photos at the end of each epoch.
        suffixes: Of the files that are photos, for a folder, in small letters.
        backend_args: Of the file backend through which list and folder are read.
        kwargs: Of mmengine's ``BaseDataset``: ``pipeline``, ``indices``, ``test_mode``, ``lazy_init`` …

    Raises:
        FileNotFoundError: There is no such list or folder.
        PhotoError: It names no photo.
        ValueError: ``serialize_data`` is off.
    """

    METAINFO: dict = {}
    _fully_initialized: bool

    def __init__(
        self,
        data_root: str = '',
        ann_file: str = '',
        data_prefix: dict[str, str] | None = None,
        skip_damaged: bool = False,
        suffixes: Sequence[str] = SUFFIXES,
        backend_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.get('serialize_data', True):
            raise ValueError(
                f'{type(self).__name__}: serialize_data=False would keep a list of dicts, of which there is '
                'none. Remove it'
            )
        self.skip_damaged = skip_damaged
        self.suffixes = tuple(suffixes)
        self.backend_args = backend_args
        prefix = dict(data_prefix or {})
        prefix.setdefault('img_path', '')
        super().__init__(ann_file=ann_file, data_root=data_root, data_prefix=prefix, **kwargs)

    def full_init(self) -> None:
        """Read the list or walk the folder."""
        if self._fully_initialized:
            return
        lines = self._list() if self.ann_file else self._walk()
        if not lines:
            what = f'the list {self.ann_file}' if self.ann_file else f'the folder {self._folder!r}'
            raise PhotoError(
                f'{type(self).__name__}: there is no photo in {what}. Correct data_root, data_prefix or '
                'ann_file'
                + ('' if self.ann_file else f'; photos end in {", ".join(self.suffixes)}')
            )
        # As mmengine keeps its serialized lists, with the text of a line in the place of a pickle.
        self.data_bytes = np.frombuffer(b''.join(lines), dtype=np.uint8)
        self.data_address = np.cumsum([len(line) for line in lines], dtype=np.int64)
        self._fully_initialized = True  # which a subset asks for
        if self._indices is not None:
            self.data_bytes, self.data_address = self._get_serialized_subset(self._indices)

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """What is known of a photo before it is read."""
        index = range(len(self))[idx]
        start = 0 if index == 0 else self.data_address[index - 1].item()
        line = self.data_bytes[start : self.data_address[index].item()].tobytes()
        # As the system has them: names of files need not be UTF-8.
        return {**self.parse_line(os.fsdecode(line)), 'sample_idx': index}

    def parse_line(self, line: str) -> dict[str, Any]:
        """What a line of the list says."""
        return {'img_path': line if is_abs(line) else self._join(line)}

    def prepare_data(self, idx: int) -> Any:
        """Read a photo and apply the pipeline; in the place of a damaged one, another.

        Raises:
            PhotoError: It is damaged, and ``skip_damaged`` is off or too many are; names the file.
        """
        damaged: list[str] = []
        generator = None
        for _ in range(_ATTEMPTS):
            info = self.get_data_info(idx)
            path = info['img_path']
            if damaged:
                info['damaged_photos'] = damaged
            try:
                return self.pipeline(info)
            except (PhotoError, SampleError) as error:
                is_damaged = isinstance(error, PhotoError) or isinstance(
                    error.__cause__, PhotoError
                )
                if not (self.skip_damaged and is_damaged):
                    raise
            damaged = [*damaged, path]
            # Neither of epoch nor rank, and without touching the generators that augmentations draw from.
            generator = generator or np.random.default_rng(range(len(self))[idx])
            idx = int(generator.integers(len(self)))
        raise PhotoError(
            f'{type(self).__name__}: {_ATTEMPTS} photos in a row cannot be read, the first is {damaged[0]}. '
            'Correct data_root and data_prefix, or restore the files'
        )

    @property
    def _folder(self) -> str:
        return self.data_prefix['img_path']

    def _join(self, name: str) -> str:
        return (
            join_path(self._folder, name, backend_args=self.backend_args) if self._folder else name
        )

    def _list(self) -> list[bytes]:
        """The lines of the list, in order."""
        try:
            content = get(self.ann_file, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{type(self).__name__}.ann_file: there is no list {self.ann_file}'
            ) from error
        content = content.removeprefix(b'\xef\xbb\xbf')  # as some editors begin a text
        stripped = (line.strip() for line in content.splitlines())
        return [line for line in stripped if line]

    def _walk(self) -> list[bytes]:
        """The photos of the folder and all below it, sorted."""
        try:
            names = list_dir_or_file(
                self._folder or '.',
                list_dir=False,
                recursive=True,
                backend_args=self.backend_args,
            )
            return sorted(os.fsencode(n) for n in names if n.lower().endswith(self.suffixes))
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{type(self).__name__}: there is no folder {self._folder!r}, neither is a list given by '
                'ann_file. Correct data_root or data_prefix.img_path'
            ) from error
