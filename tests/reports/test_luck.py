"""How well the error of the best candidate is known."""

import pytest
from scipy.stats import binomtest

from edgevolve.reports.metrics import luck


def test_the_interval_is_the_binomial_one_of_the_validation_split(config, run_search):
    run = run_search(config(evaluations=6))
    number = run.started.data["validation"]
    wrong = round(run.best.metrics["error"] * number)
    exact = binomtest(wrong, number).proportion_ci(0.95, "exact")
    (line,) = luck(run)
    assert f"on {number} validation examples [{exact.low:.2%}, {exact.high:.2%}]".replace("%", " %") in line


@pytest.mark.parametrize("given", [None, 0, 10**400, "many"])
def test_nothing_is_said_without_the_number_of_examples(config, run_search, given):
    run = run_search(config(evaluations=2))
    run.started.data["validation"] = given
    assert luck(run) == []
