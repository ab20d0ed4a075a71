"""tools/evaluate_edges.py: scores on the command line, the plot, and what it refuses."""

import re
import runpy

import cv2
import numpy as np
import pytest
from edge_files import write_edge_data
from training_runs import ROOT

main = runpy.run_path(str(ROOT / 'tools' / 'evaluate_edges.py'))['main']


@pytest.fixture
def data(tmp_path):
    """Edge maps that are one annotator's drawing, which score like people do."""
    for name, maps in write_edge_data(tmp_path / 'data').items():
        (tmp_path / 'maps').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'maps/{name}.png'), maps[1].astype(np.uint8) * 255)
    return tmp_path


def test_scores_people_plot_and_kept_counts(data, capsys):
    arguments = [str(data / 'maps'), '--data', str(data / 'data'), '--thresholds', '3']
    arguments += ['--processes', '0', '--counts', str(data / 'counts')]
    main([*arguments, '--people', '--plot', str(data / 'plot.png')])
    first = capsys.readouterr().out
    assert re.search(r'^people: P 0\.\d{4}, R 0\.\d{4}, F 0\.\d{4}$', first, re.MULTILINE)
    assert re.search(
        r'maps: ODS 0\.\d{4} \(P .*\), OIS 0\.\d{4}, AP 0\.\d{4}$', first, re.MULTILINE
    )
    assert cv2.imread(str(data / 'plot.png')) is not None
    assert len(list((data / 'counts/maps').iterdir())) == 3
    main(arguments)
    assert capsys.readouterr().out.strip() in first


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'give folders of edge maps, --people, or both'),
        (['nowhere'], r'nowhere/0\.png cannot be read'),
        (['maps', '--split', 'valid'], r'there is no list .*valid\.txt'),
    ],
)
def test_faults_are_one_line(data, arguments, message, monkeypatch):
    monkeypatch.chdir(data)
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        main([*arguments, '--data', 'data', '--processes', '0'])
