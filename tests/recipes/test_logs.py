"""What is read of a training from its log and its folder, damaged ones too."""

import json

import pytest

from labelenc_mm.recipes.logs import read_curves, read_progress, read_test_metrics


def test_a_resumed_run_overrides_what_it_repeated(tmp_path):
    for start, values in (('20300101_1', {1: 0.1, 2: 0.2}), ('20300102_1', {2: 0.5, 3: 0.6})):
        folder = tmp_path / start / 'vis_data'
        folder.mkdir(parents=True)
        lines = [json.dumps({'coco/bbox_mAP': v, 'step': k}) for k, v in values.items()]
        # a killed run may leave half a line
        (folder / 'scalars.json').write_text('\n'.join([*lines, '{"lr": 0.1, "lo']))
    assert read_curves(tmp_path) == {'coco/bbox_mAP': {1: 0.1, 2: 0.5, 3: 0.6}}


def test_of_several_tests_in_a_folder_the_last_finished_one_counts(tmp_path):
    tests = {
        '20300101_1': '{"AP": 0.1, "AP_small": 0.2}',
        '20300102_1': '{"AP": 0.3, "AP50": 1, "classes": ["a"], "time": 0.5}',
        '20300103_1': '{"AP": 0.',  # killed
    }
    for start, text in tests.items():
        (tmp_path / start).mkdir()
        (tmp_path / start / f'{start}.json').write_text(text)
    assert read_test_metrics(tmp_path) == {'AP': 0.3, 'AP50': 1.0}


def test_progress_is_read_from_the_last_training_line(tmp_path):
    log = tmp_path / 'output.log'
    assert read_progress(log) is None
    log.write_text(
        'Epoch(train)   [2][ 50/125]  lr: 1e-3  eta: 1 day, 0:02:03  time: 0.5  loss: 0.75\nother\n'
    )
    progress = read_progress(log, max_epochs=12)
    assert progress.iteration == 175
    assert progress.text == 'epoch 2/12 [50/125]  eta 1 day, 0:02:03  loss 0.75'
    log.write_text('Iter(train) [  700/20000]  lr: 1e-3  eta: 0:02:03  loss: 0.75\n')
    with log.open('a') as file:
        file.write('Iter(val) [ 50/80000]  eta: 0:02:03  time: 0.5\n' * 2000)
    assert read_progress(log) is None
    assert read_progress(log, whole=True).iteration == 700
    log.write_text('Iter(train) [  700/20000]  lr: 1e-3  eta: 0:02:03  loss: 0.75\n')
    assert read_progress(log).text == 'iteration 700/20000  eta 0:02:03  loss 0.75'


@pytest.mark.parametrize('text', ['[]', '[' * 100_000, '{"a": ' + '9' * 5000 + '}', '3'], ids=len)
def test_damaged_logs_of_a_toolbox_are_passed_over(tmp_path, text):
    for path in (tmp_path / '1' / '1.json', tmp_path / '1' / 'vis_data' / 'scalars.json'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + '\n{"step": [1], "AP": 0.5}\n{"step": 2, "AP": 0.25}\n')
    (tmp_path / '1' / '1.json').write_text(text)
    assert read_curves(tmp_path) == {'AP': {2: 0.25}}
    assert read_test_metrics(tmp_path) == {}
