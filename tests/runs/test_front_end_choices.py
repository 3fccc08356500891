"""The front end is searched beside the network: genes, features, RAM, flash, latency, journal, export and C agree."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgevolve import (
    AgingEvolution,
    CnnSpace,
    Features,
    FrontEndChoices,
    Mel,
    Micro,
    MlpSpace,
    MobileSpace,
    Problem,
    Recipes,
    Resize,
    SearchConfig,
    Spectrum,
    Split,
    Splits,
    Standardise,
    TrainingSettings,
    at_most,
    minimise,
    search,
)
from edgevolve.data import Classes, Unchanged, chosen, cost
from edgevolve.deployment.export import export
from edgevolve.engine import Inline
from edgevolve.engine.final import final_task, train_again
from edgevolve.runs import Run, measure
from edgevolve.runs.provenance import facts, load_data
from edgevolve.testing import check_space
from predictors import device
from search_space import GenotypeError

RATE = 8_000
SOUND = (Mel(RATE, 2_000, bands=12, high_hz=3_800), Micro(RATE, 2_000, bands=12, high_hz=3_800))


class Tones:
    """High, low and no tone in noise, a quarter of a second at 8 kHz."""

    input_shape = (2_000, 1, 1)
    target = Classes(("high", "low", "none"))

    def load(self):
        rng, time = np.random.default_rng(0), np.arange(2_000) / RATE
        y = np.arange(90) % 3
        hertz = np.array([1_500, 500, 0])[y] * rng.uniform(0.9, 1.1, 90)
        x = 6_000 * np.sin(2 * np.pi * hertz[:, np.newaxis] * time) + rng.normal(0, 300, (90, 2_000))
        x = x.astype(np.int16).reshape(90, 2_000, 1, 1)
        return Splits(Split(x[:45], y[:45]), Split(x[45:66], y[45:66]), Split(x[66:], y[66:]))


def sound_choices(**more):
    space = MlpSpace((2_000, 1, 1), 3, max_layers=1, max_units=16)
    options = {"rate": (4_000, RATE), "window_ms": (16, 40), "bands": (6, 12)} | more
    return FrontEndChoices(space, SOUND, **options)


SPACES = [
    sound_choices(),
    sound_choices(coefficients=(0, 5)),
    FrontEndChoices(CnnSpace((2_000, 1, 1), 3, max_blocks=2, max_filters=8), SOUND[0], stride_ms=(20, 40)),
    FrontEndChoices(
        MlpSpace((64, 1, 3), 5, max_layers=2), (Spectrum(64, 3), Standardise((64, 1, 3))), steps=(32, 64), bands=(0, 8)
    ),
    FrontEndChoices(
        MlpSpace((24, 32, 3), 2, max_layers=1), Resize((24, 32, 3), (24, 32)), height=(6, 12, 24), grey=(False, True)
    ),
    Recipes(sound_choices(), sparsity=(0, 0.5)),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda one: str(one)[:60])
def test_they_keep_every_promise_of_a_space(space):
    check_space(space)
    assert pickle.loads(pickle.dumps(space)) == space


def test_a_network_is_built_for_the_features_of_its_genotypes_front_end():
    space, rng, shapes = sound_choices(), np.random.default_rng(0), set()
    for _ in range(50):
        genotype = space.sample(rng)
        assert space.graph(genotype).inputs[0].shape == (1, *space.front_end(genotype).shape)
        shapes.add(space.front_end(genotype).shape)
    assert len(shapes) == 4


def test_what_cannot_be_computed_is_never_drawn_and_a_gene_of_another_kind_stays_as_it_is():
    space = FrontEndChoices(
        MlpSpace((2_000, 1, 1), 3), SOUND, window_ms=(10, 30), bands=(12, 40), coefficients=(0, 5, 30)
    )
    names = [name for name, _ in space.genes.choices]
    for values in space.genes.valid:
        genes = dict(zip(names, values, strict=True))
        assert genes["coefficients"] <= (genes["bands"] if genes["kind"] == "log mel" else 0)
    bad = space.to_json(space.sample(np.random.default_rng(0)))
    bad["recipe"] |= {"kind": "log mel", "coefficients": 30, "bands": 12}
    with pytest.raises(GenotypeError, match="number of bands, 12, not 30"):
        space.from_json(bad)


def test_half_the_rate_is_half_the_samples_and_no_band_beyond_half_of_it():
    space = sound_choices()
    slow = next(space.genes.front_end(v) for v in space.genes.valid if v[0] == "log mel" and v[1] == 4_000)
    assert (slow.samples, slow.high_hz) == (1_000, 1_900)
    splits = chosen.through(slow, Tones().load())
    assert splits.raw.shape == (24, 1_000, 1, 1) and splits.raw.dtype == np.int16
    assert splits.train.x.shape == (45, *slow.shape)
    assert np.asarray(splits.train.x).reshape(-1, slow.bands).mean(axis=0) == pytest.approx(0, abs=1e-3)
    time = np.arange(1_000) / 4_000
    loudest = np.abs(np.fft.rfft(splits.raw[:3].reshape(3, 1_000)))[:2].argmax(axis=1) * 4
    assert loudest == pytest.approx([1_500, 500], rel=0.12)
    assert len(time) == slow.samples


def test_arena_flash_and_latency_are_those_of_network_and_front_end():
    space = sound_choices()
    config = SearchConfig(
        data=Tones(),
        space=space,
        problem=Problem(
            [minimise("error", scale=0.1)], [at_most("arena_bytes", 64_000), at_most("flash_bytes", 64_000)]
        ),
        devices=("cortex_m4",),
    )
    genotype = space.sample(np.random.default_rng(3))
    front_end = space.front_end(genotype)
    both = measure(config.space, config.providers, genotype).metrics
    alone = measure(space.networks(genotype.recipe), config.providers, genotype.network).metrics
    needed, read = cost.cost_of(front_end), 2 * front_end.samples
    assert both["front_end_ram_bytes"] == needed.work_bytes + read
    assert both["arena_bytes"] == alone["arena_bytes"] + needed.work_bytes + read
    assert both["flash_bytes"] == alone["flash_bytes"] + needed.flash_bytes
    milliseconds = device("cortex_m4").operations_ms(needed.float_operations, needed.integer_operations)
    assert both["latency_ms"] == pytest.approx(alone["latency_ms"] + milliseconds) and milliseconds > 1
    assert both["macs"] == alone["macs"]


def test_a_front_end_that_is_given_counts_as_one_that_is_searched():
    given = FrontEndChoices(MlpSpace((2_000, 1, 1), 3), SOUND[0], bands=(12,))
    searched = SearchConfig(data=Tones(), space=given, problem=Problem([minimise("arena_bytes")]), board="nano33ble")
    data = Features(Tones(), SOUND[0])
    fixed = searched.with_fields(data=data, space=MlpSpace(data.input_shape, 3))
    genotype = given.sample(np.random.default_rng(0))
    one = measure(searched.space, searched.providers, genotype)
    other = measure(fixed.space, fixed.providers, genotype.network, beside=fixed.beside)
    assert one.metrics == other.metrics and "front_end_ram_bytes" in one.metrics
    assert one.recipe and not other.recipe


def test_features_are_made_once_for_each_front_end_and_the_least_lately_used_go():
    splits, store = Tones().load(), chosen.FeatureStore(most_bytes=60_000)
    few, more, most = (Mel(RATE, 2_000, bands=bands) for bands in (4, 5, 8))  # 17, 22 and 35 kB
    kept = store.get(few, splits)
    dropped = store.get(more, splits)
    assert store.get(few, splits) is kept and store.get(more, splits) is dropped
    store.get(few, splits)
    store.get(most, splits)
    assert store.get(few, splits) is kept
    assert store.get(more, splits) is not dropped
    assert np.array_equal(store.get(more, splits).train.x, dropped.train.x)
    assert store.get(few, Tones().load()) is not kept


def test_features_beyond_64_mib_lie_in_temporary_files_that_go_with_them(tmp_path):
    rows = np.broadcast_to(np.float32(3), (6_000, 1_500, 1, 2))
    parts = (Split(rows[:part], np.arange(part) % 2) for part in (6_000, 10, 10))
    store = chosen.FeatureStore(most_bytes=1)
    kept = store.get(Standardise((1_500, 1, 2)), splits := Splits(*parts))
    assert not isinstance(kept.train.x, np.ndarray) and isinstance(kept.validation.x, np.ndarray)
    path = Path(kept.train.x.path)
    assert path.is_file()
    store.get(Unchanged((1_500, 1, 2)), splits)
    assert not path.exists()


@pytest.mark.slow
def test_a_run_is_resumed_trained_again_and_exported_with_each_candidates_front_end(tmp_path):
    config = SearchConfig(
        data=Tones(),
        space=sound_choices(),
        problem=Problem([minimise("error", scale=0.1)], [at_most("arena_bytes", 64_000)]),
        algorithm=AgingEvolution(population=3),
        training=TrainingSettings(epochs=6, batch_size=16),
        evaluations=4,
    )
    search(config, "tones", out=tmp_path, evaluator=Inline)
    run = search(config.with_fields(evaluations=6), "tones", out=tmp_path, evaluator=Inline, resume=True)
    assert run.best.metrics["error"] == 0
    number = run.best.number
    recipe = run.record(number).recipe["front_end"]
    assert recipe["type"] in ("Mel", "Micro")
    train_again(
        run,
        number,
        final_task(run, load_data(run, config.data), 3, config),
        load_data(run, config.data),
        1,
        evaluator=Inline,
    )
    opened = Run.open(tmp_path / "tones")
    assert opened.tested[0].scores["int8"]["error"] < 0.5
    splits = load_data(opened, config.data, number)
    weights = opened.final_weights(number)
    export(tmp_path / "out", opened.graph(number), weights, splits, facts(opened, number), ("tflite", "c"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["recipe"]["front_end"] == recipe
    parameters = manifest["front_end"]["parameters"]
    assert parameters["rate"] == recipe["rate"] and len(parameters["mean"]) == recipe["bands"]
    assert "steps of int8 from Python's" in manifest["formats"]["c"]["front_end"]
    (header,) = (tmp_path / "out" / "c").rglob("front_end.h")
    assert f"kFrontEndValues = {recipe['samples']}" in header.read_text()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: FrontEndChoices(s, Mel(RATE, 1_999)), "reads 1999 steps, examples have 2000"),
        (lambda s: FrontEndChoices(s, SOUND[0], banks=(1, 2)), "banks is a parameter of none of them; they have bands"),
        (lambda s: FrontEndChoices(s, SOUND[0], bands=(500, 600)), "no combination can be computed: Mel: bands"),
        (lambda s: FrontEndChoices(s, object()), "object is not a front end of the package"),
        (lambda s: FrontEndChoices(s, SOUND[0], bands=12), "give a tuple of options"),
        (lambda s: FrontEndChoices(s, SOUND[0], low_hz=tuple(range(6_000))), "6000 combinations"),
        (lambda s: FrontEndChoices(sound_choices(), SOUND[0]), "is built for one shape"),
        (
            lambda s: FrontEndChoices(MobileSpace((64, 64, 3), 3), Resize((64, 64, 3), (64, 64)), height=(32, 64)),
            "depend on the input's shape",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused_in_a_line(make, words):
    with pytest.raises(ValueError, match=words):
        make(MlpSpace((2_000, 1, 1), 3))


def test_a_front_end_on_features_that_have_one_is_refused():
    splits = replace(Tones().load(), front_end=Standardise((2_000, 1, 1)))
    with pytest.raises(ValueError, match="a front end of its own, standardise"):
        chosen.through(SOUND[0], splits)
