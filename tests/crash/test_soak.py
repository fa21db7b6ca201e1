"""A soak run ends well only where every figure is flat; made-up figures, for the real ones take minutes."""

from dataclasses import replace

import pytest

from tests.crash.soak import Sample, find_growth

FLAT = [Sample(float(second), 180.0 + second % 7, 20 + second % 4, 40 + second % 3, 4.1) for second in range(100)]
WARMING_UP = [replace(sample, memory=150.0 + sample.seconds) for sample in FLAT[:15]] + FLAT[15:]


@pytest.mark.parametrize("samples", [FLAT, WARMING_UP], ids=["flat", "flat after the warm-up"])
def test_flat_figures_pass(samples):
    assert list(find_growth(samples)) == []


@pytest.mark.parametrize(
    ("figure", "a_second"),
    [("memory", 0.3), ("threads", 0.1), ("handles", 0.2)],
)
def test_a_figure_that_grows_is_named(figure, a_second):
    leaking = [
        replace(sample, **{figure: getattr(sample, figure) + round(sample.seconds * a_second)}) for sample in FLAT
    ]
    assert [sentence.split()[0] for sentence in find_growth(leaking)] == [figure]


def test_modest_growth_of_memory_passes():
    assert list(find_growth([replace(sample, memory=sample.memory + sample.seconds * 0.1) for sample in FLAT])) == []


def test_a_log_that_is_never_cut_is_named():
    assert "write-ahead log" in "".join(find_growth([replace(sample, log=sample.seconds) for sample in FLAT]))
