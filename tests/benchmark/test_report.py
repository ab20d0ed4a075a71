"""Rows and tables of what was measured."""

import pytest

pytest.importorskip('mmengine')

from labelenc_mm.benchmark import Costs
from labelenc_mm.benchmark.report import format_table, make_rows

COSTS = {
    'stock': Costs(10**9, 2**20, [1.0, 2.0, 4.0], [2.0, 4.0, 8.0]),
    'ours': Costs(3 * 10**9, 5 * 2**20, [3.0, 4.0, 10.0], [3.0, 6.0, 12.0]),
}


def test_ratios_are_to_the_first_row():
    stock, ours = make_rows(COSTS, 4, 'cpu')
    assert (stock['operations_ratio'], stock['time_ratio'], stock['memory_ratio']) == (1, 1, 1)
    assert (ours['operations_ratio'], ours['time_ratio'], ours['memory_ratio']) == (3, 2.5, 5)
    assert (ours['cpu_time_ratio'], ours['seconds'], ours['images_per_second']) == (1.5, 4, 1)
    assert (ours['giga_multiply_adds'], ours['peak_mib']) == (3, 5)


def test_table_is_markdown_without_empty_columns():
    rows = make_rows(COSTS, 4, 'cuda')
    header, rule, *lines = format_table(rows).splitlines()
    assert len({line.count('|') for line in (header, rule, *lines)}) == 1 and len(lines) == 2
    assert lines[1] == '| ours | 4 | 1 | 2.5 | 3 | 3 | 5 | 5 |'
    assert 'CPU time' not in header and 'object maps' not in header  # of a GPU; none were drawn
    rows[1]['map_mib'] = 1234.5
    header, _, first, second = format_table(rows).splitlines()
    assert 'object maps MiB' in header
    assert first.endswith('|  |') and second.endswith('| 1234 |')
