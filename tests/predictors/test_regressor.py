import json

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from edgevolve.gaussian_process import GaussianProcess
from predictors.learned.learner import GaussianCorrection, Standard, TreeCorrection, correction_from_json
from predictors.learned.regressor import PerformanceRegressor
from predictors.values import FeatureTable, PredictorError
from resource_models.graph_features import ADDITIVE, COUNTS, FEATURES


def networks(count, seed=0):
    """A table of made-up networks whose columns are all at least zero."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, len(FEATURES)))
    for name, high in (("count_conv_3x3", 20), ("count_conv_1x1", 30), ("count_add", 12), ("width", 4), ("forks", 6)):
        rows[:, FEATURES.index(name)] = rng.integers(1, high, count)
    return FeatureTable(FEATURES, tuple(name in ADDITIVE for name in FEATURES), rows)


def column(table, name):
    return table.rows[:, table.names.index(name)]


def latency(table, seed=0, noise=0.03, bend=0.0):
    """0.3 ms and what each operator takes, bent by the width, with log-normal noise."""
    work = 0.3 + 0.05 * column(table, "count_conv_3x3") + 0.02 * column(table, "count_conv_1x1")
    rng = np.random.default_rng(seed)
    return work * np.exp(bend * np.sin(3 * column(table, "width"))) * rng.lognormal(0, noise, len(table))


def error(predicted, true):
    return np.mean(abs(predicted / true - 1))


@pytest.fixture(scope="module")
def bent():
    table = networks(150)
    return PerformanceRegressor.fit(table, latency(table, bend=0.3), np.random.default_rng(0))


def test_a_sum_of_operators_is_known_from_twenty_samples():
    table, unseen = networks(20), networks(200, seed=1)
    fitted = PerformanceRegressor.fit(table, latency(table), np.random.default_rng(0))
    assert error(fitted.predict(unseen).value, latency(unseen, noise=0)) < 0.03


def test_what_is_no_sum_is_learned_when_the_samples_show_it(bent):
    unseen = networks(200, seed=1)
    truth = latency(unseen, noise=0, bend=0.3)
    assert "process" in bent.learner
    assert error(bent.predict(unseen).value, truth) < 0.04
    assert error(bent.parts[0].work(unseen.rows), truth) > 0.07


def plain_process(table, values, unseen):
    """A Gaussian process of the counts alone, of the logarithm of the time."""
    columns = [table.names.index(name) for name in COUNTS]
    standard, logarithms = Standard.fit(table.rows[:, columns]), np.log(values)
    process = GaussianProcess.fit(standard(table.rows[:, columns]), logarithms - logarithms.mean()).predictor()
    return np.exp(logarithms.mean() + process(standard(unseen.rows[:, columns])))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("samples", [20, 100])
def test_the_learner_is_not_behind_a_plain_gaussian_process_of_counts(samples, seed):
    table, unseen = networks(samples, seed), networks(300, seed + 100)
    measured, truth = latency(table, seed, bend=0.15), latency(unseen, noise=0, bend=0.15)
    fitted = PerformanceRegressor.fit(table, measured, np.random.default_rng(seed))
    assert error(fitted.predict(unseen).value, truth) < error(plain_process(table, measured, unseen), truth)
    assert fitted.learner in fitted.cross_validated


def test_a_learner_without_which_the_mean_is_surely_better_is_left_out():
    table = networks(150)
    size = np.random.default_rng(3).lognormal(0, 1, len(table))
    known = table.with_column("sheet", size)
    truth = size * np.random.default_rng(4).lognormal(0, 0.02, len(table))
    fitted = PerformanceRegressor.fit(known, truth, np.random.default_rng(0))
    assert "counts alone" not in fitted.learner, "sizes decide, and it does not see them"
    assert error(fitted.predict(known).value, truth) < 0.03


def test_a_few_slow_outliers_do_not_raise_the_prediction():
    table, unseen = networks(300), networks(200, seed=1)
    rng = np.random.default_rng(2)
    slow = np.where(rng.random(300) < 0.1, 1.5, 1.0)
    fitted = PerformanceRegressor.fit(table, latency(table) * slow, rng)
    bias = np.median(fitted.predict(unseen).value / latency(unseen, noise=0))
    assert abs(bias - 1) < 0.015, "a fit of the mean is 2 to 4 % above"


def test_a_scaled_predictor_is_the_same_times_the_factor(bent):
    rows = networks(20, seed=1).rows
    for part in bent.parts:
        assert np.allclose(part.scaled(1.25)(rows), 1.25 * part(rows))


@pytest.mark.slow
def test_intervals_hold_nine_of_ten_pooled_over_many_fits():
    held = []
    for seed in range(30):
        table, unseen = networks(40, seed), networks(100, seed + 1000)
        fitted = PerformanceRegressor.fit(table, latency(table, seed, noise=0.1), np.random.default_rng(seed))
        known, true = fitted.predict(unseen), latency(unseen, seed + 1000, noise=0.1)
        held.append((known.low <= true) & (true <= known.high))
    assert 0.87 <= np.mean(held) <= 0.93


def test_networks_unlike_all_samples_are_flagged():
    table = networks(60)
    fitted = PerformanceRegressor.fit(table, latency(table), np.random.default_rng(0))
    strange = networks(2, seed=1)
    strange.rows[0, FEATURES.index("count_depthwise")] = 1
    strange.rows[1, FEATURES.index("count_conv_3x3")] = 500
    assert not fitted.predict(strange).in_domain.any()
    assert fitted.predict(networks(200, seed=1)).in_domain.mean() > 0.95


@pytest.mark.parametrize("samples, bend", [(10, 0.0), (40, 0.3), (150, 0.3)])
def test_a_predictor_reads_back_exactly_as_it_was(tmp_path, samples, bend):
    table, unseen = networks(samples), networks(50, seed=1)
    fitted = PerformanceRegressor.fit(table, latency(table, bend=bend), np.random.default_rng(0))
    fitted.save(tmp_path / "p.json")
    again = PerformanceRegressor.load(tmp_path / "p.json")
    for name in ("value", "low", "high", "in_domain"):
        assert np.array_equal(getattr(fitted.predict(unseen), name), getattr(again.predict(unseen), name))
    assert again.to_json() == fitted.to_json()


@pytest.mark.parametrize("kind", [GaussianCorrection, TreeCorrection])
def test_every_correction_reads_back_exactly(kind):
    rng = np.random.default_rng(0)
    points, unseen = rng.normal(size=(60, 3)), rng.normal(size=(10, 3))
    fitted = kind.fit(points, points[:, 0] ** 2, 7)
    again = correction_from_json(json.loads(json.dumps(fitted.to_json())))
    assert np.array_equal(fitted(unseen), again(unseen))


def test_the_same_seed_fits_the_same_predictor(bent):
    table = networks(150)
    again = PerformanceRegressor.fit(table, latency(table, bend=0.3), np.random.default_rng(0))
    assert again.to_json() == bent.to_json()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "cannot be read as a predictor"),
        ("[]", "not a predictor of this format"),
        ('{"format": "edgevolve-predictor-0"}', "not a predictor of this format"),
        ('{"format": "edgevolve-predictor-1", "version": 0}', "version 0 of the features"),
        ('{"format": "edgevolve-predictor-1", "version": 1}', "not a predictor: KeyError"),
        ('{"format": "edgevolve-predictor-2", "version": 1}', "not a predictor: KeyError"),
    ],
)
def test_an_old_or_foreign_file_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(PredictorError, match=message) as caught:
        PerformanceRegressor.load(tmp_path / "p.json")
    assert "p.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path, bent):
    payload = bent.to_json()
    for name in payload:
        with pytest.raises(PredictorError):
            PerformanceRegressor.from_json({k: v for k, v in payload.items() if k != name})
    with pytest.raises(PredictorError, match="unknown correction"):
        PerformanceRegressor.from_json(
            {**payload, "parts": [{**payload["parts"][0], "correction": {"kind": "pickle"}}]}
        )
    for part in ({"shape": [len(payload["names"])]}, {"work": {**payload["parts"][0]["work"], "columns": [-1]}}):
        with pytest.raises(PredictorError):
            PerformanceRegressor.from_json({**payload, "parts": [{**payload["parts"][-1], **part}]})
    with pytest.raises(PredictorError):
        PerformanceRegressor.from_json({**payload, "parts": []})


def test_other_features_than_those_fitted_are_refused(bent):
    with pytest.raises(PredictorError, match="the predictor was fitted to version 1 of"):
        bent.predict(networks(3).with_column("more", [1, 2, 3]))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_measurements_that_cannot_be_are_refused_by_number(bad):
    values = np.ones(20)
    values[7] = bad
    with pytest.raises(PredictorError, match="measurement 7"):
        PerformanceRegressor.fit(networks(20), values, np.random.default_rng(0))


def test_too_few_networks_are_refused_even_when_measured_often():
    with pytest.raises(PredictorError, match="at least 5 different networks"):
        PerformanceRegressor.fit(networks(20), np.ones(20), np.random.default_rng(0), groups=[0, 1, 2, 3] * 5)


def test_a_source_device_tells_what_the_graph_cannot():
    table = networks(300)
    hidden = np.random.default_rng(5).lognormal(0, 0.3, len(table))
    target = latency(table) * hidden
    known = table.with_column("source_latency_ms", 3 * latency(table, seed=9) * hidden)
    unseen = np.arange(20, 300)
    with_source, alone = (
        error(
            PerformanceRegressor.fit(t[range(20)], target[:20], np.random.default_rng(0)).predict(t[unseen]).value,
            target[unseen],
        )
        for t in (known, table)
    )
    assert with_source < 0.08 and alone > 0.15


def test_the_gaussian_process_is_scikit_learns():
    rng = np.random.default_rng(0)
    points, unseen = rng.normal(size=(40, 3)), rng.normal(size=(10, 3))
    targets = np.sin(points[:, 0]) + 0.4 * rng.normal(size=40)
    ours = GaussianProcess.fit(points, targets)
    kernel = ConstantKernel(ours.amplitude) * RBF(ours.length) + WhiteKernel(ours.noise)
    theirs = GaussianProcessRegressor(kernel, optimizer=None, alpha=0).fit(points, targets)
    assert np.allclose(ours.predictor()(unseen), theirs.predict(unseen), atol=1e-8)
    smooth = GaussianProcessRegressor(kernel.k1, optimizer=None, alpha=ours.noise).fit(points, targets)
    _, covariance = smooth.predict(unseen, return_cov=True)
    assert np.allclose(ours.predictor().covariance(unseen), covariance, atol=1e-8)
    assert np.allclose(ours.predictor().deviation(unseen) ** 2, np.diag(covariance), atol=1e-8)
    assert ours.log_likelihood() == pytest.approx(
        theirs.log_marginal_likelihood() + len(points) / 2 * np.log(2 * np.pi), rel=1e-6
    )
    for factor in (0.9, 1.1):
        for change in range(3):
            worse = theirs.kernel_.theta + np.log(factor) * np.eye(3)[change]
            assert theirs.log_marginal_likelihood(worse) <= theirs.log_marginal_likelihood() + 1e-3
