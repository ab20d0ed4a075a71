"""README and CITATION.cff name the same papers."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def bibtex():
    """Title -> authors as (family, given), year and arXiv number, from the README."""
    papers = {}
    for entry in re.findall(r'^@\w+\{(.*?)^\}', (ROOT / 'README.md').read_text(), re.M | re.S):
        fields = dict(re.findall(r'^ *(\w+) *= *\{(.*)\},?$', entry, re.MULTILINE))
        authors = [tuple(name.split(', ')) for name in fields['author'].split(' and ')]
        number = re.search(r'arXiv:(\S+)', fields.get('journal', ''))
        papers[fields['title']] = (authors, int(fields['year']), number and number[1])
    return papers


def test_readme_and_citation_agree():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    papers = bibtex()
    assert len(papers) == 5
    assert set(papers) == {reference['title'] for reference in citation['references']}
    for reference in citation['references']:
        authors, year, number = papers[reference['title']]
        assert authors == [(a['family-names'], a['given-names']) for a in reference['authors']]
        assert year == reference['year']
        if number is not None:
            assert {'type': 'other', 'value': f'arXiv:{number}'} in reference['identifiers']
