"""The authors' files of step 1, converted: the same numbers as their code computes, or a refusal.

The authors' files cannot be downloaded by a test; those used here have their layout and random weights.
"""

import contextlib
import io

import authors_checkpoint as authors
import pytest
import torch
from convert_authors_checkpoint import main
from hostile_pickles import RunsCode
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from labelenc_mm.detection import load_label_encoding
from labelenc_mm.handover.artefact import load_tensors

SIZE = (64, 128)
BOXES = torch.tensor([[3.0, 5, 40, 50], [30, 10, 100, 60], [60, 0, 128, 20]])
LABELS = torch.tensor([2, 79, 2])
IMPROVED = 'mmdet::fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py'


class Converted:
    """A file of the authors' layout, our file, and the detector of the config that was printed."""

    def __init__(self, kind, folder):
        torch.manual_seed(0)
        self.kind = kind
        self.checkpoint = authors.make_checkpoint(kind)
        self.path = folder / 'label_encoding_function.pth'
        # As PyTorch of 2020 wrote it.
        torch.save(self.checkpoint, self.path, _use_new_zipfile_serialization=False)
        self.out = folder / 'label_encoding.safetensors'
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main([str(self.path), str(self.out)])
        self.config = printed.getvalue()
        self.detector = self.build(self.config)

    def build(self, text):
        """A detector of step 2 that has gone through the real loading of the file."""
        init_default_scope('mmdet')
        config = Config.fromstring(text, '.py')
        detector = MODELS.build(config.model).eval()
        assert config.model.labelenc.init_from == str(self.out)
        load_label_encoding(detector, config.model.labelenc.init_from)
        return detector

    def features(self):
        """The levels of the authors' label features of three boxes."""
        height, width = SIZE
        dense = torch.zeros(1, 80, height, width)
        x, y = torch.arange(width), torch.arange(height)[:, None]
        # MMDetection's boxes end behind their last pixel, the authors' at it.
        theirs = BOXES - torch.tensor([0, 0, 1, 1])
        for (x1, y1, x2, y2), label in zip(theirs.tolist(), LABELS.tolist(), strict=True):
            dx, dy = (x - (x1 + x2) / 2).abs() / (x2 - x1), (y - (y1 + y2) / 2).abs() / (y2 - y1)
            value = 1 - torch.maximum(dx, dy)
            value = torch.where(value >= 0.5, value, 0)
            dense[0, label] = torch.maximum(dense[0, label], value)
        return authors.pyramid(self.checkpoint, authors.encode(self.checkpoint, dense))


@pytest.fixture(scope='module', params=authors.KINDS)
def converted(request, tmp_path_factory):
    return Converted(request.param, tmp_path_factory.mktemp('authors'))


def assert_close(ours, theirs):
    """Equal up to the order of float32 sums in some twenty layers."""
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


def relative_distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@torch.no_grad()
def test_label_features_are_the_authors(converted):
    """From boxes to the FPN, with the drawing that the config asks for."""
    sample = DetDataSample()
    sample.gt_instances = InstanceData(bboxes=BOXES, labels=LABELS)
    ours = converted.detector.labelenc.encode([sample], SIZE)
    theirs = converted.features()
    assert len(ours) == len(theirs) == 5
    for our_level, their_level in zip(ours, theirs, strict=True):
        assert_close(our_level, their_level)
        assert relative_distance(our_level, their_level) < 1e-5
    # Step 2 starts the neck from the authors' FPN, as they do.
    inputs = [torch.rand(1, 128 * 2**i, 2 ** (6 - i), 2 ** (6 - i)) for i in (1, 2, 3, 4)]
    for our_level, their_level in zip(
        converted.detector.neck(inputs), authors.pyramid(converted.checkpoint, inputs), strict=True
    ):
        assert_close(our_level, their_level)


@torch.no_grad()
def test_head_computes_what_the_authors_compute(converted):
    levels, checkpoint, detector = converted.features(), converted.checkpoint, converted.detector
    if converted.kind == 'Faster R-CNN':
        ours = zip(*detector.rpn_head(levels), strict=True)
        for level, results in zip(levels, ours, strict=True):
            for our_result, their_result in zip(
                results, authors.rpn_head(checkpoint, level), strict=True
            ):
                assert_close(our_result, their_result)
        pooled = torch.rand(5, authors.WIDTH, 7, 7)
        scores, deltas = detector.roi_head.bbox_head(pooled)
        their_scores, their_deltas = authors.box_head(checkpoint, pooled)
        assert_close(scores[:, :80], their_scores[:, 1:])
        assert_close(scores[:, 80], their_scores[:, 0])  # background is our last class
        assert_close(deltas, their_deltas[:, 4:])
        return
    variants = {converted.detector: 'deformable' in converted.kind}
    if converted.kind == 'FCOS':  # the improved one reads the same file
        text = converted.config.replace('# _base_', '_base_', 1)
        first, second = (line for line in text.splitlines() if line.startswith('_base_'))
        assert IMPROVED in first and IMPROVED not in second
        variants[converted.build(text.replace(second, ''))] = True
    for detector, improved in variants.items():
        ours = list(zip(*detector.bbox_head(levels), strict=True))
        for index, (level, results) in enumerate(zip(levels, ours, strict=True)):
            if converted.kind == 'RetinaNet':
                theirs = authors.retina_head(checkpoint, level)
            else:
                theirs = list(authors.fcos_head(checkpoint, level, index, improved))
                if improved:  # in units of the stride while training
                    theirs[1] = theirs[1] * detector.bbox_head.strides[index]
            for our_result, their_result in zip(results, theirs, strict=True):
                assert_close(our_result, their_result)


@pytest.mark.parametrize('converted', ['RetinaNet', 'Faster R-CNN'], indirect=True)
def test_deltas_of_the_head_mean_the_same_boxes(converted):
    """With the anchors and the box coder that the config asks for; ours end behind the last pixel."""
    behind = torch.tensor([0.0, 0, 1, 1])
    boxes = torch.tensor([[10.0, 20, 59, 99], [0, 0, 15, 15], [-8, 3, 30, 200]])
    deltas = torch.randn(3, 4)
    detector = converted.detector
    weights = (10, 10, 5, 5)
    if converted.kind == 'RetinaNet':
        head, coder = detector.bbox_head, detector.bbox_head.bbox_coder
    else:
        head, coder = detector.rpn_head, detector.roi_head.bbox_head.bbox_coder
        assert_close(
            head.bbox_coder.decode(boxes + behind, deltas),
            authors.decode(deltas, boxes, (1, 1, 1, 1)) + behind,
        )
    assert_close(
        coder.decode(boxes + behind, deltas), authors.decode(deltas, boxes, weights) + behind
    )
    for ours, theirs in zip(
        head.prior_generator.base_anchors, authors.anchors(converted.kind), strict=True
    ):
        theirs = theirs + behind
        torch.testing.assert_close(ours[:, :2] + ours[:, 2:], theirs[:, :2] + theirs[:, 2:])
        ratio = (ours[:, 2:] - ours[:, :2]) / (theirs[:, 2:] - theirs[:, :2])
        assert ((ratio - 1).abs() < 0.07).all()  # sides there are multiples of whole pixels


@torch.no_grad()
@pytest.mark.parametrize('converted', ['RetinaNet'], indirect=True)
def test_boxes_of_mmdetection_make_other_features(converted):
    """Sampled at pixel centres or, the more so, at whole pixels: 'inclusive' is no refinement of these."""
    sample = DetDataSample()
    sample.gt_instances = InstanceData(bboxes=BOXES, labels=LABELS)
    head, theirs = converted.detector.labelenc, converted.features()
    distances = []
    for offset in (0.5, 0.0):
        head.pixel_convention, head.pixel_offset = 'exclusive', offset
        ours = head.encode([sample], SIZE)
        distances.append(min(map(relative_distance, ours, theirs)))
    head.pixel_convention = 'inclusive'
    assert 1e-3 < distances[0] < distances[1]


def test_file_says_how_it_is_to_be_used(converted):
    _, metadata = load_tensors(converted.out)
    assert (metadata['pixel_convention'], metadata['pixel_offset']) == ('inclusive', 0.0)
    assert metadata['classes'] == list(CocoDataset.METAINFO['classes'])
    assert "pixel_convention='inclusive'" in converted.config
    with pytest.raises(ValueError, match=r'pixel_convention: "exclusive" here, "inclusive" in the'):
        converted.build(converted.config.replace("pixel_convention='inclusive'", 'pixel_offset=0'))


def refused(checkpoint, folder, capsys):
    """The message with which a checkpoint is refused; an existing file stays."""
    path, out = folder / 'x.pth', folder / 'out.safetensors'
    torch.save(checkpoint, path)
    out.write_bytes(b'old')
    with pytest.raises(SystemExit) as error:
        main([str(path), str(out)])
    assert out.read_bytes() == b'old'
    assert {p.name for p in folder.iterdir()} == {'x.pth', 'out.safetensors'}
    assert capsys.readouterr().out == ''
    assert str(error.value).startswith(f'Not converted: {path}')
    assert str(error.value).count(str(folder)) == 2  # the two files alone, no unfinished one
    assert str(error.value).endswith(f'\n{out} was not touched.')
    return str(error.value)


def change_anchors(checkpoint):
    checkpoint['rpn']['anchor_generator.cell_anchors.2'] *= 1.3


def change_width(checkpoint):
    checkpoint['rpn']['head.cls_logits.bias'] = torch.zeros(7)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (change_anchors, 'anchors of level 2 are not those'),
        (change_width, r'head.bbox_head.retina_cls.bias: shape (18,) here, (7,) in the file'),
        (lambda c: c['rpn'].pop('head.bbox_pred.bias'), 'rpn.head.bbox_pred.bias: missing'),
        (lambda c: c.update(x=RunsCode('touch marker')), 'x.pth was refused'),
    ],
)
def test_what_is_no_such_file_is_refused(change, message, tmp_path, capsys):
    checkpoint = authors.make_checkpoint('RetinaNet', num_classes=2)
    change(checkpoint)
    assert message in refused(checkpoint, tmp_path, capsys)


def test_a_detector_that_was_never_released_gets_fitting_advice(tmp_path, capsys):
    checkpoint = authors.make_checkpoint('RetinaNet', num_classes=2)
    change_width(checkpoint)
    message = refused(checkpoint, tmp_path, capsys)
    assert (
        'taken for RetinaNet, the checkpoint does not fit the detector of the released' in message
    )
    assert 'for a detector of your own, train step 1 here' in message and 'init_head' not in message


def test_other_numbers_of_classes_have_no_names(tmp_path, capsys):
    torch.save(authors.make_checkpoint('RetinaNet', num_classes=2), tmp_path / 'x.pth')
    out = tmp_path / 'new folder' / 'out.safetensors'
    main([str(tmp_path / 'x.pth'), str(out), '--pixel-offset', '0'])
    _, metadata = load_tensors(out)
    assert metadata['classes'] is None
    assert (metadata['num_classes'], metadata['pixel_offset']) == (2, 0.0)
    assert metadata['pixel_convention'] == 'exclusive'
    printed = capsys.readouterr().out
    assert 'num_classes=2' in printed and 'pixel_offset=0.0)' in printed
