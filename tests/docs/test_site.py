"""The documentation builds without a warning, links in it lead somewhere, and a browser shows it whole."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import CHROMIUM, look_at

ROOT = Path(__file__).resolve().parents[2]
PAGES = ('*.md', 'docs/**/*.md', 'configs/**/*.md')


def build(source, target):
    """Build the site as CONTRIBUTING says; the finished process."""
    return subprocess.run(
        [sys.executable, '-m', 'sphinx', '-W', '-n', '-q', '-c', source / 'docs', source, target],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp('site')
    done = build(ROOT, target)
    assert done.returncode == 0, done.stderr
    return target


def pages_of(site):
    """The pages that were written: not the forwarding one of the root, search and index."""
    sources = [path.relative_to(ROOT) for pattern in PAGES for path in ROOT.glob(pattern)]
    return [site / path.with_suffix('.html') for path in sorted(set(sources))]


class Links(HTMLParser):
    """The addresses that a page refers to, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.targets += [attributes[key] for key in ('href', 'src') if attributes.get(key)]
        self.anchors.update(attributes[key] for key in ('id', 'name') if attributes.get(key))


def broken_links(folder):
    """Links from the pages of a folder to files or anchors that are not there; no network."""
    pages = {path.resolve(): Links(path) for path in folder.rglob('*.html')}
    broken = []
    for path, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not file.is_file() or (
                anchor and file in pages and anchor not in pages[file].anchors
            ):
                broken.append(f'{path.relative_to(folder.resolve())}: {target}')
    return broken


def test_internal_links(site):
    assert broken_links(site) == []


def test_broken_links_are_seen(tmp_path):
    (tmp_path / 'a.html').write_text(
        '<h1 id="x"><a href="#x"></a><a href="#y"></a><a href="b.html#z"></a><img src="c.png">'
        '<a href="https://example.org/no"></a>'
    )
    (tmp_path / 'b.html').write_text('<p>')
    assert broken_links(tmp_path) == ['a.html: #y', 'a.html: b.html#z', 'a.html: c.png']


def test_every_broken_link_stops_the_build(tmp_path):
    (tmp_path / 'docs').mkdir()
    shutil.copy2(ROOT / 'docs' / 'conf.py', tmp_path / 'docs')
    shutil.copytree(ROOT / 'docs' / 'site_root', tmp_path / 'docs' / 'site_root')
    faults = [
        '[x](no_such_page.md)',
        '[x](index.md#no-such-heading)',
        '![x](no.png)',
        '[x](site_root)',
    ]
    (tmp_path / 'docs' / 'index.md').write_text('\n\n'.join(['# Title', '[ok](#title)', *faults]))
    done = build(tmp_path, tmp_path / 'site')
    assert done.returncode != 0
    for line in (5, 7, 9, 11):
        assert f'index.md:{line}: WARNING' in done.stderr
    assert 'index.md:3' not in done.stderr


def test_figures_in_tables_stay_on_one_line(site):
    page = (site / 'README.html').read_text(encoding='utf-8')
    cells = re.findall(r'<td><p>(.*?)</p></td>', page)
    assert '48.8\xa0±\xa00.3' in cells
    assert 'small RetinaNet, BCCD' in cells  # longer, and may wrap


class Contents(HTMLParser):
    """The table of contents beside every page: [caption, pages], a page as (address, title)."""

    def __init__(self, path):
        super().__init__()
        self.sections, self.add = [], None
        self.feed(path.read_text(encoding='utf-8').partition('<article')[0])

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        classes = (attributes.get('class') or '').split()
        if 'caption-text' in classes:
            self.add = lambda text: self.sections.append((text, []))
        elif tag == 'a' and 'reference' in classes:
            self.add = lambda text: self.sections[-1][1].append((attributes['href'], text))

    def handle_data(self, text):
        if self.add is not None:
            self.add(text)
        self.add = None


def test_every_page_is_once_in_the_table_of_contents(site):
    index = site / 'docs' / 'index.html'
    sections = Contents(index).sections
    listed = [(index.parent / address).resolve() for _, pages in sections for address, _ in pages]
    assert len(listed) == len(set(listed))
    assert {*listed, index.resolve()} == {path.resolve() for path in pages_of(site)}


def test_no_two_pages_of_a_section_have_one_title(site):
    sections = Contents(site / 'docs' / 'index.html').sections
    assert {'LabelEnc', 'Label structure', 'PixelNet', 'Hypercolumns'} <= {
        caption for caption, _ in sections
    }
    for caption, pages in sections:
        titles = [title for _, title in pages]
        assert len({caption, *titles}) == len(titles) + 1, caption


def faults_in_a_browser(pages, folder):
    """Page and width -> what a reader cannot see of it."""
    folder.mkdir()
    # A desktop, the window in which a sidebar often falls below the page, a telephone.
    seen = look_at(pages, (1280, 1200, 390), folder)
    assert len(seen) == 3 * len(pages)
    faults = {}
    for key, (problems, links) in seen.items():
        problems += [] if links >= 5 else [f'{links} links of the navigation in sight']
        if problems:
            faults[key] = problems
    return faults


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason='needs Chromium')


@pytest.mark.slow
@needs_browser
def test_pages_fit_the_window_and_show_navigation_and_pictures(site, tmp_path):
    assert faults_in_a_browser(pages_of(site), tmp_path / 'browser') == {}


@pytest.mark.slow
@needs_browser
def test_what_a_browser_cannot_show_is_seen(tmp_path):
    good = '<nav>{}</nav><pre style="overflow: auto">{}</pre>'.format(
        ''.join(f'<a href="#">{n}</a> ' for n in range(5)), 'long ' * 400
    )
    page = tmp_path / 'page.html'
    page.write_text(good)
    assert faults_in_a_browser([page], tmp_path / 'good') == {}
    for number, (more, problem) in enumerate(
        {
            '<pre style="overflow: hidden">code code </pre>': 'cut: pre code code',
            '<img src="gone.png">': 'not loaded: gone.png',
            '<table style="width: 2000px"><tr><td>cell</table>': 'wider than the window: table cell',
            '<style>nav { margin-top: 2000px }</style>': '0 links of the navigation in sight',
        }.items()
    ):
        page.write_text(good + more.replace('code code', 'code code ' + 'x' * 400))
        faults = faults_in_a_browser([page], tmp_path / str(number))
        assert len(faults) == 3
        assert all(problem in ' '.join(found) for found in faults.values()), (problem, faults)
