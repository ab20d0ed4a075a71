"""The lists of each paper's configs are complete: metafile, README and mmengine's index."""

import re
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from paper_configs import OURS, names_of_the_paper, passes
from training_runs import ROOT

LABELENC = {
    model['Name']: model
    for model in yaml.safe_load((ROOT / 'configs/labelenc/metafile.yml').read_text())['Models']
}


@pytest.mark.parametrize('paper', OURS)
def test_metafile_lists_all_configs_of_the_paper(paper):
    content = yaml.safe_load((ROOT / 'configs' / paper / 'metafile.yml').read_text())
    listed = content['Models']
    expected = {f'configs/{paper}/{name}' for name in names_of_the_paper(paper)}
    assert sorted(model['Config'] for model in listed) == sorted(expected)
    assert all(Path(model['Config']).stem == model['Name'] for model in listed)
    (collection,) = content['Collections']
    assert {model['In Collection'] for model in listed} == {collection['Name']}
    assert (ROOT / collection['README']).is_file()


@pytest.mark.parametrize('name', LABELENC)
def test_metafile_tells_the_epochs_of_both_steps(name):
    pytest.importorskip('mmdet')
    config = Config.fromfile(ROOT / LABELENC[name]['Config'])
    expected = {'Epochs': passes(config)}
    if 'labelenc-step2' in name:
        step1 = LABELENC[Path(config.model.labelenc.init_from).parent.name]
        expected['Epochs of Step 1'] = step1['Metadata']['Epochs']
    assert LABELENC[name]['Metadata'] == expected


@pytest.mark.parametrize('paper', OURS)
def test_readme_links_all_configs_of_the_paper(paper):
    text = (ROOT / 'configs' / paper / 'README.md').read_text()
    links = set(re.findall(r'\]\(([^)]+\.py)\)', text))
    assert {link for link in links if not link.startswith(OURS[paper])} == names_of_the_paper(paper)


def test_index_names_the_metafile_of_every_folder():
    imports = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    folders = sorted(path.name for path in (ROOT / 'configs').iterdir() if path.is_dir())
    assert folders == sorted(OURS)
    assert imports == [f'configs/{name}/metafile.yml' for name in OURS]
