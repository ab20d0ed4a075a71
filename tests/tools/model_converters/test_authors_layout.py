"""Names and arrangement of the authors' tensors; what they compute is tested with the tool."""

import authors_checkpoint as authors
import pytest
import torch
from authors_layout import LayoutError, convert_authors_checkpoint

NUM_CLASSES = 3


def elements(tensors):
    """All numbers of some tensors, in order of size."""
    return torch.cat([tensor.flatten() for tensor in tensors]).sort().values


@pytest.mark.parametrize('kind', authors.KINDS)
def test_nothing_is_lost_but_anchors_and_the_box_of_the_background(kind):
    checkpoint = authors.make_checkpoint(kind, NUM_CLASSES)
    layout, tensors, anchors = convert_authors_checkpoint(checkpoint)
    assert layout.name == kind
    assert {name.split('.')[0] for name in tensors} == {'encoder', 'pyramid', 'head'}
    expected = {
        f'{part}.{name}': value
        for part, state in checkpoint.items()
        for name, value in state.items()
        if 'cell_anchors' not in name
    }
    for name in ('weight', 'bias'):
        name = f'roi_heads.box.predictor.bbox_pred.{name}'
        if name in expected:
            expected[name] = expected[name][4:]
    assert len(tensors) == len(expected)
    assert torch.equal(elements(tensors.values()), elements(expected.values()))
    assert len(anchors) == len(authors.anchors(kind))
    assert all(map(torch.equal, anchors, authors.anchors(kind)))


def test_every_unknown_and_missing_tensor_is_listed():
    checkpoint = authors.make_checkpoint('Faster R-CNN', NUM_CLASSES)
    del checkpoint['label_encoding_function']['body.stage3.1.con2.bias']
    del checkpoint['rpn']['head.conv.weight']
    checkpoint['roi_heads']['mask.predictor.conv5_mask.weight'] = torch.zeros(1)
    checkpoint['rpn']['anchor_generator.cell_anchors.5'] = torch.zeros(3, 4)
    with pytest.raises(LayoutError) as error:
        convert_authors_checkpoint(checkpoint)
    assert str(error.value).splitlines()[1:] == [
        '  label_encoding_function.body.stage3.1.con2.bias: missing',
        '  rpn.head.conv.weight: missing',
        '  roi_heads.mask.predictor.conv5_mask.weight: unknown',
        '  rpn.anchor_generator.cell_anchors.5: unknown',
    ]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([1], 'not a model_final.pth'),
        (
            {'model': {}, 'optimizer': {}, 'iteration': 3},
            r"parts \['iteration', 'model', 'optimizer'\]",
        ),
        ({'label_encoding_function': {}, 'rpn': {}, 'optimizer': {}}, 'unknown parts: optimizer'),
        ({'label_encoding_function': {}, 'rpn': [1]}, 'rpn is no state dict but list'),
        ({'label_encoding_function': {}, 'rpn': {'x': [1]}}, 'rpn.x is no tensor but list'),
    ],
)
def test_what_is_no_such_checkpoint_is_refused(content, message):
    with pytest.raises(LayoutError, match=message):
        convert_authors_checkpoint(content)
