"""The lists of each paper's configs are complete: metafile, README and mmengine's index."""

import re
from collections import defaultdict
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
README = (ROOT / 'configs/labelenc/README.md').read_text()
STOCK = 'https://github.com/open-mmlab/mmdetection/blob/main/configs/'


def table(heading):
    """Rows of the table under a heading of LabelEnc's README: the texts of their cells."""
    section = README.partition(f'\n## {heading}\n')[2].partition('\n## ')[0]
    lines = [line.strip('|').split('|') for line in section.split('\n') if line.startswith('|')]
    return [[cell.strip() for cell in cells] for cells in lines[2:]]


def links(cell):
    return dict(re.findall(r'\[([^\]]+)\]\(([^)]+)\)', cell))


COCO = {detector: cells for detector, *cells in table('COCO')}


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


def quoted():
    """What the README's tables quote of each config, as the metafile tells it: name -> Metadata."""
    found = defaultdict(lambda: defaultdict(dict))
    for one, two, ours, *_, configs in COCO.values():
        source = "Authors'" if '†' in one else 'Paper'
        config = {text: Path(link).stem for text, link in links(configs).items()}
        columns = (('Baseline 1x', one, '1x'), ('Baseline 2x', two, '2x'), ('LabelEnc', ours, None))
        for column, cell, baseline in columns:
            for kind, figure in zip(('box', 'mask'), figures(cell)):
                for text in filter(None, ('step 2', baseline)):
                    found[config[text]][f'{source} {kind} AP'][column] = figure
    for _, what, cell, configs in table('Ablations'):
        if not links(configs):  # Table 4, whose detectors stand in the other table
            detectors = ('RetinaNet R50', 'FCOS R50', 'Faster R-CNN R50')
            for detector, figure in zip(detectors, figures(cell)):
                step1 = Path(links(COCO[detector][-1])['step 1']).stem
                found[step1]['Paper box AP']['Step 1 alone'] = figure
            continue
        *_, last = links(configs).values()
        key = 'Distillation' if 'distillation' in what else 'LabelEnc'
        either = sorted(figures(cell))
        figure = ' or '.join(map(str, either)) if len(either) > 1 else either[0]
        found[Path(last).stem]['Paper box AP'][key] = figure
    return found


def figures(cell):
    return [float(text) for text in re.findall(r'\d+\.\d', cell)]


QUOTED = quoted()


@pytest.mark.parametrize('name', LABELENC)
def test_metafile_tells_epochs_of_both_steps_and_what_the_readme_quotes(name):
    pytest.importorskip('mmdet')
    config = Config.fromfile(ROOT / LABELENC[name]['Config'])
    expected = {'Epochs': passes(config), **QUOTED.get(name, {})}
    if 'labelenc-step2' in name:
        step1 = LABELENC[Path(config.model.labelenc.init_from).parent.name]
        expected['Epochs of Step 1'] = step1['Metadata']['Epochs']
    assert LABELENC[name]['Metadata'] == expected


@pytest.mark.parametrize('paper', OURS)
def test_readme_links_all_configs_of_the_paper(paper):
    text = (ROOT / 'configs' / paper / 'README.md').read_text()
    found = set(re.findall(r'\]\((?!https:)([^)]+\.py)\)', text))
    assert {link for link in found if not link.startswith(OURS[paper])} == names_of_the_paper(paper)


@pytest.mark.parametrize('name', COCO)
def test_readme_links_the_baselines_and_steps_of_a_row(name):
    mmdet = pytest.importorskip('mmdet')
    found = links(COCO[name][-1])
    step2 = Config.fromfile(ROOT / 'configs/labelenc' / found['step 2'])
    stem = Path(found['step 2']).stem.replace('_labelenc-step2', '')
    for schedule in ('1x', '2x'):
        link = found[schedule]
        stock = Path(mmdet.__file__).parent / '.mim/configs' / link.removeprefix(STOCK)
        assert link.startswith(STOCK) == stock.is_file()
        # MMDetection also writes fcos_..._gn-head-1x_coco.
        named = stem.replace('1x', schedule).replace('-', '_')
        assert Path(link).stem.replace('-', '_') == named
    step1 = Path(step2.model.labelenc.init_from).parent.name
    assert f'[step 1]({step1}.py)' in README
    assert ('step 1' in found) == ('that of R50' not in COCO[name][-1])
    assert found.get('step 1', f'{step1}.py') == f'{step1}.py'


SMALL = [f'{paper}/{folder}' for paper, folders in OURS.items() for folder in folders]


@pytest.mark.parametrize('folder', SMALL)
def test_small_data_sets_have_a_page_that_tells_how_to_run_their_recipes(folder):
    paper, _, name = folder.partition('/')
    assert f']({name}README.md)' in (ROOT / 'configs' / paper / 'README.md').read_text()
    text = (ROOT / 'configs' / folder / 'README.md').read_text()
    recipes = list((ROOT / 'configs' / folder).glob('*.yml'))
    assert recipes and all(recipe.name in text for recipe in recipes)


@pytest.mark.parametrize(
    'path',
    [ROOT / 'configs' / f / 'README.md' for f in [*OURS, *SMALL]],
    ids=lambda p: p.parent.name,
)
def test_no_column_of_a_table_is_empty(path):
    for text in re.findall(r'(?:^\|.*\n)+', path.read_text(), re.MULTILINE):
        head, _, *rows = [line.strip('|').split('|') for line in text.strip().split('\n')]
        for name, *cells in zip(head, *rows):
            assert any(cell.strip() for cell in cells), f'{path}: column {name}'


def test_index_names_the_metafile_of_every_folder():
    imports = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    folders = sorted(path.name for path in (ROOT / 'configs').iterdir() if path.is_dir())
    assert folders == sorted(OURS)
    assert imports == [f'configs/{name}/metafile.yml' for name in OURS]
