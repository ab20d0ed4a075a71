"""Label structure beside stock segmentors: one pass each, gradient routing, refusals."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import PixelData
from mmseg.models import DepthEstimator, EncoderDecoder, MultimodalEncoderDecoder, ResNetV1c
from mmseg.registry import MODELS
from segmentation_models import (
    CHANNELS,
    NUM_CLASSES,
    SIZE,
    STOCK_CONFIGS,
    build,
    cascade_model_config,
    data,
    features_of_heads,
    has_gradient,
    peculiar_model_config,
    random_maps,
    samples,
    stock_model_config,
    write_autoencoder,
)

from labelenc_mm import segmentation
from labelenc_mm.handover.artefact import ArtefactError
from labelenc_mm.segmentation import label_structure_segmentor
from labelenc_mm.segmentation.data.label_maps import stack_label_maps


@pytest.fixture(scope='module')
def autoencoder(tmp_path_factory):
    """A hand-over file and the autoencoder in it."""
    return write_autoencoder(tmp_path_factory.mktemp('autoencoder') / 'a.safetensors')


def decoder_config(autoencoder, **options):
    return dict(init_from=autoencoder[0], channels=CHANNELS) | options


def encoder_config(autoencoder, **options):
    features = ['backbone.0', 'backbone.3']
    return (
        dict(type='FrozenLabelEncoderHead', features=features, **decoder_config(autoencoder))
        | options
    )


def backward(segmentor, batch):
    loss, log_vars = segmentor.parse_losses(segmentor(**batch, mode='loss'))
    loss.backward()
    return log_vars


@pytest.mark.parametrize('name', [*STOCK_CONFIGS, 'OCRNet'])
def test_stock_segmentor_keeps_its_keys_losses_and_predictions(name, autoencoder):
    """Both heads at once. Dropout draws the same numbers, for ours draws none."""
    model = cascade_model_config() if name == 'OCRNet' else stock_model_config(name)
    stock = build(model)
    ours = build(model, [decoder_config(autoencoder), encoder_config(autoencoder)])
    state = ours.state_dict()
    left = {k: v for k, v in state.items() if not k.startswith('label_structure.')}
    assert left.keys() == stock.state_dict().keys()
    stock.load_state_dict(left)
    frozen = {k: v.clone() for k, v in state.items() if '.decoder.' in k or '.encoder.' in k}

    batch = data(stock)
    torch.manual_seed(0)
    expected = stock(**batch, mode='loss')
    torch.manual_seed(0)
    losses = ours(**batch, mode='loss')
    assert all(torch.equal(losses[key], value) for key, value in expected.items())
    assert set(losses) - set(expected) == {
        'label_structure_0.loss_ce',
        'label_structure_0.acc_seg',
        'label_structure_1.loss_mse',
    }

    for key in ('label_structure_0.loss_ce', 'label_structure_1.loss_mse'):
        ours.zero_grad()
        losses[key].backward(retain_graph=True)
        assert has_gradient(ours.backbone)
        assert has_gradient(ours.label_structure[int(key[16])])
    assert all(torch.equal(ours.state_dict()[key], value) for key, value in frozen.items())

    stock.eval()
    ours.eval()
    stock.load_state_dict(
        {k: v for k, v in ours.state_dict().items() if not k.startswith('label_structure.')}
    )
    batch = data(stock, training=False)
    for result, reference in zip(ours(**batch, mode='predict'), stock(**batch, mode='predict')):
        assert torch.equal(result.seg_logits.data, reference.seg_logits.data)
    assert torch.equal(ours(batch['inputs']), stock(batch['inputs']))


def test_whole_and_slide_mode_are_the_segmentors_own():
    for name in ('predict', 'inference', 'whole_inference', 'slide_inference', 'encode_decode'):
        assert getattr(segmentation.LabelStructureEncoderDecoder, name) is getattr(
            EncoderDecoder, name
        )


def test_decoder_path_is_convolution_code_decoder_cross_entropy(autoencoder):
    """Against the plain form on the feature that enters PSPNet's classifier."""
    segmentor = build(stock_model_config('PSPNet'), decoder_config(autoencoder))
    segmentor.decode_head.dropout = None
    batch = data(segmentor)
    losses = segmentor(**batch, mode='loss')
    taken = []
    segmentor.decode_head.bottleneck.register_forward_hook(lambda *args: taken.append(args[2]))
    segmentor(**batch, mode='tensor')
    head = segmentor.label_structure[0]
    code = F.conv2d(taken[0], head.to_code.weight, head.to_code.bias)
    # Stride 8 of a dilated backbone against stride 16 of the code.
    code = F.interpolate(code, (SIZE[0] // 16, SIZE[1] // 16), mode='bilinear', align_corners=False)
    logits = autoencoder[1].decoder(code)
    maps = torch.cat([sample.gt_sem_seg.data for sample in batch['data_samples']])
    expected = 0.5 * F.cross_entropy(logits, maps, ignore_index=255)  # the paper's weight
    torch.testing.assert_close(losses['label_structure.loss_ce'], expected)


def test_predictions_through_the_decoder_can_be_looked_at(autoencoder):
    segmentor = build(stock_model_config('PSPNet'), decoder_config(autoencoder))
    segmentor.decode_head.dropout = None
    batch = data(segmentor)
    losses = segmentor(**batch, mode='loss')
    ((feature,),) = features_of_heads(segmentor, batch['inputs'])
    head = segmentor.label_structure[0]
    assert head.predict_code([feature], SIZE).shape == (2, CHANNELS[-1], 4, 5)
    logits = head([feature], SIZE)
    maps = torch.cat([sample.gt_sem_seg.data for sample in batch['data_samples']])
    loss = head.loss_decode(logits, maps, ignore_index=255)
    torch.testing.assert_close(loss, losses['label_structure.loss_ce'])


def test_encoder_path_is_the_error_of_two_hypercolumns(autoencoder):
    """Against the plain form, which concatenates upsampled features."""
    names = ['backbone.0', 'decode_head.classifier', 'backbone.3']
    segmentor = build(
        stock_model_config('FCN'), encoder_config(autoencoder, features=names, loss_weight=3.0)
    )
    segmentor.decode_head.dropout = None
    segmentor.decode_head.conv_cat = None
    segmentor.decode_head.concat_input = False
    batch = data(segmentor, random_maps(2, (50, 70)))
    loss = segmentor(**batch, mode='loss')['label_structure.loss_mse']
    maps = torch.cat([sample.gt_sem_seg.data for sample in batch['data_samples']])
    features = segmentor.extract_feat(batch['inputs'])
    features = [features[0], segmentor.decode_head._forward_feature(features), features[3]]

    def upsample(x):
        return F.interpolate(x, SIZE, mode='bilinear', align_corners=False)

    head = segmentor.label_structure[0]
    weight = torch.cat([projection.weight for projection in head.projections], 1)
    hypercolumn = torch.cat([upsample(feature) for feature in features], 1)
    predicted = F.conv2d(hypercolumn, weight, head.projections[0].bias)
    conv1, _, conv3 = autoencoder[1].encoder.activations(maps, 3)
    error = (predicted - torch.cat([conv1, upsample(conv3)], 1)).square()
    expected = error.permute(0, 2, 3, 1)[maps != 255].mean()
    torch.testing.assert_close(loss, 3 * expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('features', ['backbone.0', 'neck.1'])
def test_features_of_a_backbone_of_one_size_are_measured_there(features, autoencoder):
    """Its relative positions are of 512 x 512 pixels, which it or its data preprocessor tells."""
    model = peculiar_model_config('relative positions of one size')
    model.data_preprocessor.size = None
    segmentor = build(model, decoder_config(autoencoder, features=features))
    assert [head.in_channels for head in segmentor.label_structure] == [(16,)]


def test_a_backbone_that_cannot_be_measured_needs_an_option(autoencoder):
    class NoBlanks(ResNetV1c):
        def forward(self, x):
            assert x.any()
            return super().forward(x)

    MODELS.register_module(module=NoBlanks, force=True)
    model = stock_model_config('FCN')
    model.backbone.type = 'NoBlanks'
    with pytest.raises(ValueError, match=r'NoBlanks takes .*Give label_structure\.in_channels'):
        build(model, decoder_config(autoencoder, features='backbone.0'))
    assert build(model, decoder_config(autoencoder, features='backbone.0', in_channels=[8]))


TAPS = ('conv1_2', 'conv3_3', 'conv5_3')


@pytest.mark.parametrize('hypercolumn_name', [[f'backbone.{tap}' for tap in TAPS], 'backbone.*'])
def test_hypercolumn_networks_name_their_taps(hypercolumn_name, autoencoder):
    """The paper's own base networks, whose linear classifier has no single input."""
    model = Config(
        dict(
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size=SIZE),
                backbone=dict(type='TappedVGG', taps=TAPS, base_channels=2),
                decode_head=dict(
                    type='HypercolumnHead',
                    in_channels=(2, 8, 16),
                    strides=(1, 4, 16),
                    num_classes=NUM_CLASSES,
                ),
                test_cfg=dict(mode='whole'),
            )
        )
    ).model
    segmentor = build(
        model,
        [
            decoder_config(autoencoder, features='backbone.conv5_3'),
            encoder_config(autoencoder, features=hypercolumn_name),
        ],
    )
    assert [head.in_channels for head in segmentor.label_structure] == [(16,), (2, 8, 16)]
    batch = data(segmentor)
    (feature,), hypercolumn = features_of_heads(segmentor, batch['inputs'])
    expected = segmentor.backbone(batch['inputs'])
    assert torch.equal(feature, expected[2])
    assert all(map(torch.equal, hypercolumn, expected))
    log_vars = backward(segmentor, batch)
    assert log_vars['label_structure_0.loss_ce'] > 0 < log_vars['label_structure_1.loss_mse']
    with pytest.raises(ValueError, match='HypercolumnHead has no classifier layer.*Name an output'):
        build(model, decoder_config(autoencoder))


def test_frozen_parts_stay_as_they_are_and_in_evaluation_mode(autoencoder):
    segmentor = build(
        stock_model_config('FCN'), [decoder_config(autoencoder), encoder_config(autoencoder)]
    )
    decoder, encoder = (head.coder for head in segmentor.label_structure)
    for part, learned in ((decoder, autoencoder[1].decoder), (encoder, autoencoder[1].encoder)):
        assert not part.training and not any(p.requires_grad for p in part.parameters())
        for key, value in learned.state_dict().items():
            assert torch.equal(part.state_dict()[key], value)
    backward(segmentor, data(segmentor))
    assert all(p.grad is None for part in (decoder, encoder) for p in part.parameters())
    assert segmentor.eval().train().label_structure[0].to_code.training and not decoder.training


def test_ablations_train_the_decoder(autoencoder):
    """Table 2: unfrozen, and unfrozen from random weights."""
    model = stock_model_config('FCN')
    unfrozen = build(model, decoder_config(autoencoder, freeze=False))
    learned = autoencoder[1].decoder.convs[0].weight
    assert torch.equal(unfrozen.label_structure[0].decoder.convs[0].weight, learned)
    random = build(model, dict(channels=CHANNELS, random_init=True, freeze=False))
    assert not torch.equal(random.label_structure[0].decoder.convs[0].weight, learned)
    for segmentor in (unfrozen, random):
        assert segmentor.label_structure[0].decoder.training
        backward(segmentor, data(segmentor))
        decoder = segmentor.label_structure[0].decoder
        assert all(p.grad is not None and p.grad.any() for p in decoder.parameters())
    with pytest.raises(ValueError, match='random_init=True and init_from=.* exclude each other'):
        build(model, decoder_config(autoencoder, random_init=True))


def test_random_weights_are_learned_once_trained_or_in_a_checkpoint(autoencoder):
    model = stock_model_config('FCN')
    config = dict(channels=CHANNELS, random_init=True, freeze=False)
    trained, tested, exported = (build(model, config) for _ in range(3))
    heads = [segmentor.label_structure[0] for segmentor in (trained, tested, exported)]
    assert not any(head.is_learned for head in heads)
    backward(trained, data(trained))
    state = trained.state_dict()
    tested.load_state_dict(state)
    stock = {k: v for k, v in state.items() if not k.startswith('label_structure.')}
    load_state_dict(exported, stock)  # mmengine's, as runners load
    assert [head.is_learned for head in heads] == [True, True, False]
    load_state_dict(exported, state)
    load_state_dict(exported, stock)
    assert heads[2].is_learned
    assert build(model, decoder_config(autoencoder)).label_structure[0].is_learned
    # Not random, a checkpoint of a head without a file teaches it nothing.
    unlearned = build(model, decoder_config(autoencoder, init_from=None))
    unlearned.load_state_dict(unlearned.state_dict())
    assert not unlearned.label_structure[0].is_learned


def test_squared_error_variant(autoencoder):
    segmentor = build(
        stock_model_config('FCN'),
        decoder_config(autoencoder, loss_decode=dict(type='OneHotMSELoss', loss_weight=5.0)),
    )
    batch = data(segmentor)
    log_vars = backward(segmentor, batch)
    assert 0 < log_vars['label_structure.loss_mse'] <= 10  # at most 2 a pixel
    assert has_gradient(segmentor.backbone)


def test_only_void_costs_nothing_and_keeps_the_graph(autoencoder):
    segmentor = build(
        stock_model_config('FCN'), [decoder_config(autoencoder), encoder_config(autoencoder)]
    )
    batch = data(segmentor, torch.full((2, *SIZE), 255))
    log_vars = backward(segmentor, batch)
    assert log_vars['label_structure_0.loss_ce'] == 0
    assert log_vars['label_structure_1.loss_mse'] == 0
    for head in segmentor.label_structure:
        for name, parameter in head.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None and not parameter.grad.any(), name


@pytest.mark.parametrize('void', [0, 200])
def test_void_is_what_it_is_for_the_decode_head(void, autoencoder):
    """Both heads take its label over; losses are those of 255 where nothing is said."""
    heads = [decoder_config(autoencoder), encoder_config(autoencoder)]
    usual = build(stock_model_config('FCN'), heads)
    model = stock_model_config('FCN')
    for head in (model.decode_head, model.auxiliary_head):
        head.ignore_index = void
    other = build(model, heads)
    other.load_state_dict(usual.state_dict())
    maps = random_maps(2)
    maps[maps == 0] = 255
    losses = []
    for segmentor, labels in ((usual, maps), (other, maps.where(maps != 255, void))):
        torch.manual_seed(0)  # dropout
        losses.append(segmentor(**data(segmentor, labels), mode='loss'))
    for key, value in losses[0].items():
        assert torch.equal(value, losses[1][key]), key


def test_binary_head_with_one_channel(autoencoder, tmp_path):
    """mmseg's form of two classes: one output channel, a threshold."""
    path, _ = write_autoencoder(tmp_path / 'two.safetensors', num_classes=2)
    model = stock_model_config('FCN')
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    for head in (model.decode_head, model.auxiliary_head):
        head.update(num_classes=2, out_channels=1, threshold=0.5, loss_decode=loss)
    segmentor = build(model, dict(init_from=path, channels=CHANNELS))
    log_vars = backward(segmentor, data(segmentor, random_maps(2, num_classes=2)))
    assert log_vars['label_structure.loss_ce'] > 0


def test_one_class_is_refused(autoencoder):
    model = stock_model_config('FCN')
    for head in (model.decode_head, model.auxiliary_head):
        head.update(num_classes=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    with pytest.raises(ValueError, match='no structure to encode.*num_classes=2'):
        build(model, decoder_config(autoencoder))


def test_sizes_that_differ_are_resized_and_logged_once(autoencoder, monkeypatch):
    from labelenc_mm.segmentation.label_structure import frozen_label_head

    messages = []
    monkeypatch.setattr(
        frozen_label_head, 'print_log', lambda text, *args, **kwargs: messages.append(text)
    )
    segmentor = build(stock_model_config('FCN'), decoder_config(autoencoder))
    batch = data(segmentor)
    for _ in range(2):
        segmentor(**batch, mode='loss')
    assert messages == ['FrozenLabelDecoderHead: a feature of size (8, 10) is resized to (4, 5)']
    # A backbone that is not dilated has an output of the code's stride.
    messages.clear()
    exact = build(stock_model_config('UPerNet'), decoder_config(autoencoder, features='backbone.2'))
    exact(**data(exact), mode='loss')
    assert messages == []


# Bad input.


def test_a_head_without_an_autoencoder_is_refused_by_the_first_loss():
    segmentor = build(stock_model_config('FCN'), dict(channels=CHANNELS))
    with pytest.raises(RuntimeError, match='has no label decoder: set init_from to the label_auto'):
        segmentor(**data(segmentor), mode='loss')
    segmentor.label_structure[0].is_loaded.fill_(1)  # as a resumed checkpoint says
    segmentor(**data(segmentor), mode='loss')


@pytest.mark.parametrize('empty', [{}, []])
def test_no_head_at_all_is_refused(empty):
    with pytest.raises(ValueError, match="names no head; without one, use type 'EncoderDecoder'"):
        build(stock_model_config('FCN'), empty)


def test_an_autoencoder_of_other_classes_or_channels_is_refused(autoencoder):
    model = stock_model_config('FCN')
    with pytest.raises(ArtefactError, match=r'channels: \[32, 128, 128, 128, 128\] here, \[4, 6'):
        build(model, dict(init_from=autoencoder[0]))
    model.decode_head.num_classes = model.auxiliary_head.num_classes = 7
    with pytest.raises(ArtefactError, match='num_classes: 7 here, 5 in the file'):
        build(model, decoder_config(autoencoder))
    with pytest.raises(
        ValueError, match='label_structure.num_classes=5, but the decode head has 7'
    ):
        build(model, decoder_config(autoencoder, num_classes=5))


@pytest.mark.parametrize(
    ('features', 'message'),
    [
        ('backbone.4', "'backbone.4': ResNetV1c has 4 outputs, 0 to 3"),
        ('backbone.layer5', "no output or module 'layer5'; its outputs have no names"),
        ('backbone.layer4.0.relu', "'backbone.layer4.0.relu' runs more than once"),
        ('backbone.*', 'FrozenLabelDecoderHead reads one feature, got 4'),
        ('neck.0', 'has no neck'),
        ('decode_head.bottleneck', "'decode_head.bottleneck' is unknown. Features are called"),
        (['backbone.2', 'backbone.3'], 'FrozenLabelDecoderHead reads one feature, got 2'),
    ],
)
def test_missing_features_are_refused_at_once(features, message, autoencoder):
    with pytest.raises(ValueError) as error:
        build(stock_model_config('FCN'), decoder_config(autoencoder, features=features))
    assert message in str(error.value)


def test_modules_inside_and_all_outputs_of_a_stock_backbone(autoencoder):
    segmentor = build(
        stock_model_config('FCN'),
        [
            decoder_config(autoencoder, features='backbone.layer2.0'),
            encoder_config(autoencoder, features='backbone.*'),
        ],
    )
    assert [head.in_channels for head in segmentor.label_structure] == [(16,), (8, 16, 32, 64)]
    batch = data(segmentor)
    (inner,), outputs = features_of_heads(segmentor.eval(), batch['inputs'])
    backbone = segmentor.backbone
    assert torch.equal(backbone.layer2[1](inner), outputs[1])
    assert all(map(torch.equal, outputs, backbone(batch['inputs'])))


def test_in_channels_of_another_number_of_features_are_refused(autoencoder):
    options = dict(features='backbone.*', in_channels=[8, 16])
    segmentor = build(stock_model_config('FCN'), encoder_config(autoencoder, **options))
    with pytest.raises(ValueError, match=r'backbone\.\* are 4 features, .*in_channels has 2'):
        segmentor(**data(segmentor), mode='loss')


def test_in_channels_that_do_not_fit_the_feature_are_refused(autoencoder):
    segmentor = build(stock_model_config('FCN'), decoder_config(autoencoder, in_channels=[9]))
    with pytest.raises(ValueError, match='feature 0 has 16 channels, in_channels says 9'):
        segmentor(**data(segmentor), mode='loss')


def test_faults_of_label_maps_name_the_file(autoencoder):
    segmentor = build(stock_model_config('FCN'), decoder_config(autoencoder))
    maps = random_maps(2)
    maps[1, 0, 0] = NUM_CLASSES
    with pytest.raises(
        ValueError, match=r'labels/1\.png has labels 5, .*Set model\.decode_head\.num_classes=6'
    ):
        segmentor(**data(segmentor, maps), mode='loss')
    batch = data(segmentor)
    batch['data_samples'][1].gt_sem_seg = PixelData(data=torch.zeros(1, 64, 64).long())
    with pytest.raises(ValueError) as error:
        segmentor(**batch, mode='loss')
    assert 'labels/1.png: the label map has (height, width) (64, 64), its image (64, 80)' in str(
        error.value
    )


def test_a_map_in_colours_is_not_told_to_have_another_size(autoencoder):
    segmentor = build(stock_model_config('FCN'), decoder_config(autoencoder))
    batch = data(segmentor)
    batch['data_samples'][1].gt_sem_seg = PixelData(data=torch.zeros(64, 80, 3).long())
    message = r'labels/1\.png: the label map has shape \(64, 80, 3\), .*Convert colours'
    with pytest.raises(ValueError, match=message):
        segmentor(**batch, mode='loss')


def test_sizes_are_written_as_plain_numbers():
    """mmseg's padding to a divisor is of NumPy's numbers."""
    maps = random_maps(1)
    padding = (0, np.int64(4), 0, np.int64(0))
    (sample,) = samples(maps, padding_size=padding)
    with pytest.raises(ValueError, match=r'its image \(64, 84\), after'):
        stack_label_maps([sample], NUM_CLASSES, 255)


def test_a_loss_that_is_not_finite_stops_the_training(autoencoder):
    segmentor = build(stock_model_config('FCN'), decoder_config(autoencoder))
    segmentor.label_structure[0].to_code.weight.data.fill_(float('inf'))
    losses = segmentor(**data(segmentor), mode='loss')
    with pytest.raises(FloatingPointError, match='label_structure.loss_ce'):
        segmentor.parse_losses(losses)


def test_other_segmentors_are_refused():
    for cls in (DepthEstimator, MultimodalEncoderDecoder, torch.nn.Identity):
        with pytest.raises(TypeError, match=f'{cls.__name__} cannot have label structure'):
            label_structure_segmentor(cls)
    init_default_scope('mmseg')
    with pytest.raises(TypeError, match='DepthEstimator cannot have label structure'):
        MODELS.build(dict(type='LabelStructureDepthEstimator'))
    with pytest.raises(TypeError, match='beside whose backbone, neck and decode head'):
        MODELS.build(dict(type='LabelStructureMultimodalEncoderDecoder'))


def test_classes_can_be_imported_and_pickled():
    cls = segmentation.LabelStructureCascadeEncoderDecoder
    assert pickle.loads(pickle.dumps(cls)) is cls
    with pytest.raises(AttributeError, match='LabelStructureNothing'):
        _ = segmentation.LabelStructureNothing


# The plain way: an entry of auxiliary_head.


def plain_model(autoencoder, **options):
    model = stock_model_config('PSPNet')
    ours = dict(
        type='FrozenLabelDecoderHead',
        num_classes=NUM_CLASSES,
        in_channels=64,
        **decoder_config(autoencoder, **{'in_index': 3} | options),
    )
    model = Config(dict(model=model.to_dict())).model
    model.auxiliary_head = [model.auxiliary_head, ours]
    return model


def test_plain_auxiliary_head_gives_the_same_loss(autoencoder):
    plain = build(plain_model(autoencoder))
    named = build(stock_model_config('PSPNet'), decoder_config(autoencoder, features='backbone.3'))
    state = {
        key.replace('auxiliary_head.0.', 'auxiliary_head.').replace(
            'auxiliary_head.1.', 'label_structure.0.'
        ): value
        for key, value in plain.state_dict().items()
    }
    batch = data(plain)
    torch.manual_seed(0)
    expected = plain(**batch, mode='loss')
    named.load_state_dict(
        state | {'label_structure.0.is_loaded': torch.ones((), dtype=torch.int64)}
    )
    named.label_structure[0].decoder.load_state_dict(autoencoder[1].decoder.state_dict())
    torch.manual_seed(0)
    losses = named(**batch, mode='loss')
    assert torch.equal(losses['label_structure.loss_ce'], expected['aux_1.loss_ce'])
    assert torch.equal(losses['aux.loss_ce'], expected['aux_0.loss_ce'])


def test_plain_auxiliary_head_refuses_bad_input(autoencoder):
    plain = build(plain_model(autoencoder, in_index=4))
    with pytest.raises(ValueError, match='in_index=4, but there are 4 features'):
        plain(**data(plain), mode='loss')
    plain = build(plain_model(autoencoder))
    batch = data(plain)
    batch['data_samples'][0].set_metainfo(dict(img_shape=(32, 32)))
    with pytest.raises(
        ValueError, match=r'labels/0\.png: the label map has .* its image \(32, 32\)'
    ):
        plain(**batch, mode='loss')


def test_frozen_encoder_keeps_out_of_float16():
    """Nothing normalises its features; bfloat16 has the range of float32."""
    head = MODELS.build(
        dict(
            type='FrozenLabelEncoderHead',
            num_classes=NUM_CLASSES,
            in_channels=4,
            in_index=0,
            channels=CHANNELS,
            random_init=True,
        )
    )
    maps = random_maps(2)
    expected = head.encode(maps)
    with torch.autocast('cpu', dtype=torch.float16):
        assert torch.equal(head.encode(maps), expected)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert not torch.equal(head.encode(maps).float(), expected)
