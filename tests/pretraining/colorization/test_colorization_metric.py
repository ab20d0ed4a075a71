from types import SimpleNamespace

import numpy as np
import pytest
import torch
from colorization_models import build_pretrainer, photo_batch

from labelenc_mm.pretraining import ColorizationMetric, ColorizationVisualizationHook

SIZES = (48, 40), (33, 64), (36, 32)
MARGIN = 4  # the border of the sampler: multiples of 4 from there on are measured


@pytest.fixture(params=['histograms', 'lab'])
def predicted(request):
    """A pretrainer with predictions that are no constant, and samples with them."""
    head = {} if request.param == 'histograms' else dict(type='ColorRegressionHead')
    model = build_pretrainer(test_stride=4, **head).eval()
    for module in model.decode_head.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=0.3)
    samples = []
    for seed, size in enumerate(SIZES):
        batch = model.data_preprocessor(photo_batch(size, seed=seed), False)
        samples += [(batch['inputs'], each) for each in model.predict(**batch)]
    return model, samples


def plain_terms(model, image, sample):
    """(prediction, target, weight) of every fourth pixel that is not near the border."""
    targets = model.decode_head.targets
    size = image.shape[-2:]
    gray = image.mean(1, keepdim=True)  # equal means: as good as before normalisation
    scores = model.decode_head(model.extract_feat(gray), size).detach()
    values, weight = targets.everywhere(sample.clean.data[None] / 255)
    rows, columns = (slice(MARGIN, length - MARGIN, 4) for length in size)
    return tuple(maps[0, :, rows, columns] for maps in (scores, values, weight))


def test_error_and_best_constant_are_those_of_all_pixels_together(predicted):
    model, samples = predicted
    metric = ColorizationMetric()
    for _, sample in samples:
        metric.process({}, [sample.to_dict()])
    found = metric.evaluate(len(samples))
    terms = [plain_terms(model, *each) for each in samples]
    scores, values, weight = (
        torch.cat([t[i].flatten(1) for t in terms], 1).double() for i in range(3)
    )
    if len(values) == 2:
        error = ((scores - values) ** 2).sum(0)
        constant = ((values - values.mean(1, keepdim=True)) ** 2).sum(0)
        assert found['color/ab_mse'] == pytest.approx(float(error.mean()), rel=1e-4)
        assert found['color/ab_mse_constant'] == pytest.approx(float(constant.mean()), rel=1e-4)
        return
    for part, name in enumerate(('hue', 'chroma')):
        h, z, w = (
            values[32 * part : 32 * part + 32],
            scores[32 * part : 32 * part + 32],
            weight[part],
        )
        mean = (h * w).sum(1, keepdim=True) / w.sum()
        for key, predicted_shares in (('kl', z.softmax(0)), ('kl_constant', mean)):
            terms = torch.where(h > 0, h * (h / predicted_shares).log(), 0)
            expected = float((terms.sum(0) * w).sum() / w.sum())
            assert found[f'color/{name}_{key}'] == pytest.approx(expected, rel=1e-4)


def test_errors_of_pictures_are_means_over_photos(predicted):
    _, samples = predicted
    metric = ColorizationMetric()
    metric.process({}, [sample.to_dict() for _, sample in samples])
    found = metric.evaluate(len(samples))
    inner = slice(MARGIN, -MARGIN)
    for key, field in (('', 'colored'), ('_gray', 'gray')):
        differences = [s.get(field).data - s.clean.data for _, s in samples]
        errors = [
            np.sqrt(np.mean(each[:, inner, inner].double().numpy() ** 2)) for each in differences
        ]
        assert found[f'color/rmse{key}'] == pytest.approx(np.mean(errors))
        decibels = np.mean([20 * np.log10(255 / error) for error in errors])
        assert found[f'color/psnr{key}'] == pytest.approx(decibels)


def test_colors_in_the_margin_of_a_photo_are_not_measured(predicted):
    _, samples = predicted
    errors = []
    for wrong in (slice(0, MARGIN), slice(MARGIN, MARGIN + 1)):
        metric = ColorizationMetric()
        for _, sample in samples:
            sample = sample.clone()
            sample.colored.data = sample.clean.data.clone()
            sample.colored.data[:, wrong] += 100
            metric.process({}, [sample.to_dict()])
        errors.append(metric.evaluate(len(samples))['color/rmse'])
    assert errors[0] == 0 < errors[1]


def test_a_photo_of_little_more_than_a_margin_is_measured_as_a_whole():
    model = build_pretrainer(
        sampler=dict(type='UniformPointSampler', num_points=4, border=12)
    ).eval()
    batches = [model.data_preprocessor(photo_batch((side, 64)), False) for side in (35, 36)]
    narrow, wide = (model.predict(**batch)[0] for batch in batches)
    assert (narrow.color_margin, wide.color_margin) == (0, 12)
    assert narrow.color_sums['weight'][1] > 3 * wide.color_sums['weight'][1] > 0


def test_gray_photos_alone_have_no_hue_to_measure():
    model = build_pretrainer().eval()
    batch = model.data_preprocessor(photo_batch((32, 32), gray=True), False)
    metric = ColorizationMetric()
    metric.process({}, [each.to_dict() for each in model.predict(**batch)])
    found = metric.evaluate(1)
    assert found['color/hue_kl'] == found['color/hue_kl_constant'] == 0
    assert found['color/chroma_kl_constant'] == pytest.approx(0, abs=1e-6)
    assert all(np.isfinite(value) for value in found.values())


def test_input_truth_and_prediction_are_drawn_side_by_side(predicted):
    _, samples = predicted
    pictures = {}
    visualizer = SimpleNamespace(
        add_image=lambda name, picture, step: pictures.update({name: picture})
    )
    hook = ColorizationVisualizationHook(interval=2)
    hook.after_val_iter(
        SimpleNamespace(visualizer=visualizer, iter=0), 0, None, [s for _, s in samples]
    )
    assert list(pictures) == ['val_colorization_0', 'val_colorization_1']
    first, sample = pictures['val_colorization_0'], samples[0][1]
    assert first.shape == (48, 3 * 40, 3) and first.dtype == np.uint8
    panels = [sample.gray, sample.clean, sample.colored]
    for index, panel in enumerate(panels):
        expected = panel.data.permute(1, 2, 0).numpy()
        difference = first[:, 40 * index : 40 * (index + 1)] - expected
        assert np.abs(difference).max() <= 0.51
