"""Decoder branches of label structure: predictions through the frozen decoders, beside the segmentor's own.

The paper shows it (CVPR 2018, Figure 6, and Figure 7 for the code that is decoded). The branches read
features of the segmentor's own pass: nothing is computed twice, and the pass does not change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from labelenc_mm.networks.named_features import FeatureRecorder
from labelenc_mm.segmentation.label_structure.frozen_label_decoder_head import (
    FrozenLabelDecoderHead,
)
from labelenc_mm.segmentation.label_structure.label_structure_segmentor import LabelStructureMixin

Result = TypeVar('Result')


@dataclass
class RecordedInference:
    """What is kept of the inference of a batch.

    Attributes:
        shape: (N, 3, H, W) of the batch of images; None before there was one.
        windows: Of every pass, one a sliding window, the (N, 3, h, w) of what it saw, and name -> code.
    """

    shape: torch.Size | None = None
    windows: list[tuple[torch.Size, dict[str, Tensor]]] = field(default_factory=list)


class DecoderBranches:
    """The decoder heads of a segmentor: below ``label_structure`` and among its auxiliary heads.

    Args:
        segmentor: An mmseg ``EncoderDecoder``, or any other model, which has none.

    Attributes:
        heads: Name -> head; empty if the segmentor has none.
    """

    def __init__(self, segmentor: Any) -> None:
        self.segmentor = segmentor
        self.heads: dict[str, FrozenLabelDecoderHead] = {}
        self._auxiliary: list[str] = []
        if isinstance(segmentor, LabelStructureMixin):
            ours = zip(segmentor.head_names, segmentor.label_structure, strict=True)
            self.heads.update(_decoder_heads(ours))
        auxiliary = getattr(segmentor, 'auxiliary_head', None)
        named = [('auxiliary_head', auxiliary)]
        if isinstance(auxiliary, nn.ModuleList):
            named = [(f'auxiliary_head.{i}', head) for i, head in enumerate(auxiliary)]
        found = _decoder_heads(named)
        self._auxiliary = list(found)
        self.heads.update(found)

    def predict_codes(
        self, run: Callable[[], Result], size: Sequence[int]
    ) -> tuple[Result, dict[str, Tensor]]:
        """Predict the code of the label maps from the features of a pass.

        Args:
            run: Runs the segmentor once.
            size: (H, W) of the images that it sees.

        Returns:
            What ``run`` returns, and name -> (N, C, ceil(H / s), ceil(W / s)) code.
        """
        with ExitStack() as recording:
            if isinstance(self.segmentor, LabelStructureMixin):
                ours = recording.enter_context(self.segmentor.record_features())
            if self._auxiliary:
                # What auxiliary heads read: the outputs of the last part before them.
                part = 'neck.*' if self.segmentor.with_neck else 'backbone.*'
                recorder = FeatureRecorder(self.segmentor, [part])
                outputs = recording.enter_context(recorder.record())
            result = run()
        read: dict[str, list[Tensor]] = {}
        if isinstance(self.segmentor, LabelStructureMixin):
            read.update(zip(self.segmentor.head_names, ours, strict=True))
        if self._auxiliary:
            read.update(dict.fromkeys(self._auxiliary, outputs[part]))
        return result, {n: head.predict_code(read[n], size) for n, head in self.heads.items()}

    @contextmanager
    def record_inference(self) -> Iterator[RecordedInference]:
        """Keep the codes of the inference that runs inside a ``with`` block, whole or sliding."""
        record = RecordedInference()
        inference, encode_decode = self.segmentor.inference, self.segmentor.encode_decode

        def record_shape(inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
            record.shape = inputs.shape
            return inference(inputs, batch_img_metas)

        def record_window(inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
            logits, codes = self.predict_codes(
                lambda: encode_decode(inputs, batch_img_metas), inputs.shape[-2:]
            )
            record.windows.append((inputs.shape, codes))
            return logits

        with (
            replaced(self.segmentor, 'inference', record_shape),
            replaced(self.segmentor, 'encode_decode', record_window),
        ):
            yield record

    @torch.no_grad()
    def predict(
        self, record: RecordedInference, index: int, metainfo: Mapping[str, Any]
    ) -> dict[str, SegDataSample]:
        """Decode what was recorded of one image.

        Args:
            record: What :meth:`record_inference` gave.
            index: Of the image in the batch.
            metainfo: Of its data sample.

        Returns:
            Name -> sample with ``pred_sem_seg`` and ``seg_logits``, made of the decoder's logits as the
            segmentor makes its own of those of its decode head: windows averaged, padding cut off,
            resized to ``ori_shape``.
        """
        return {name: self._replay(name, record, index, metainfo) for name in self.heads}

    def _replay(
        self, name: str, record: RecordedInference, index: int, metainfo: Mapping[str, Any]
    ) -> SegDataSample:
        assert record.shape is not None
        head, segmentor = self.heads[name], self.segmentor
        decoder = head.decoder
        like = next(decoder.parameters())  # the code may have the dtype of autocast
        windows = iter(
            decoder(codes[name][index : index + 1].to(like.dtype), shape[-2:])
            for shape, codes in record.windows
        )
        # Of the images, inference needs no more than the shape.
        blank = like.new_zeros(()).expand(1, *record.shape[1:])
        with (
            replaced(segmentor, 'encode_decode', lambda inputs, batch_img_metas: next(windows)),
            replaced(segmentor, 'out_channels', head.num_classes),
        ):
            logits = segmentor.inference(blank, [dict(metainfo)])
        sample = SegDataSample(metainfo=dict(metainfo))
        return segmentor.postprocess_result(logits, [sample])[0]


def _decoder_heads(named: Iterable[tuple[str, Any]]) -> dict[str, FrozenLabelDecoderHead]:
    return {name: head for name, head in named if isinstance(head, FrozenLabelDecoderHead)}


@contextmanager
def replaced(instance: Any, name: str, value: Any) -> Iterator[None]:
    """Give an object an attribute of its own in place of its class's (or its own) for a while."""
    own = vars(instance)
    had, before = name in own, own.get(name)
    own[name] = value
    try:
        yield
    finally:
        if had:
            own[name] = before
        else:
            del own[name]
