"""Sphinx settings: ``python -m sphinx -W -n -c docs . docs/_build``; with -W a warning is an error.

The whole repository is the source, so that README, CONTRIBUTING and the results beside the configs are
pages as well, and links to any file of the repository work here as they do where it is hosted.
"""

import logging

from docutils import nodes

# A paper without a page for each of its data sets is no fault; `suppress_warnings` cannot name this warning.
logging.getLogger('sphinx.sphinx.directives.other').addFilter(
    lambda record: getattr(record, 'subtype', None) != 'empty_glob'
)

project = 'labelenc_mm'
author = 'The labelenc_mm contributors'
extensions = ['myst_parser']
root_doc = 'docs/index'
include_patterns = ['*.md', 'docs/**.md', 'configs/**.md']
exclude_patterns = ['.*', 'docs/_build', 'work_dirs', 'data', 'build', 'dist', '*/.mim']
html_extra_path = ['site_root']  # sends the address of the site to docs/index.html
myst_heading_anchors = 3  # links to headings, named as on GitHub, are checked
html_theme = 'furo'
html_title = 'labelenc_mm'
html_copy_source = False
html_show_copyright = False  # LICENSE says it


def keep_short_cells_whole(app, doctree):
    """Figures such as 43.3 ± 2.3 stay on one line; a table that does not fit is scrolled."""
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) <= 16:
            for text in list(cell.findall(nodes.Text)):
                text.parent.replace(text, nodes.Text(text.replace(' ', '\xa0')))


def setup(app):
    """What Sphinx calls with itself."""
    app.connect('doctree-read', keep_short_cells_whole)
