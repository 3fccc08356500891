"""`edgevolve init`: what is seen in a user's data, and the configuration that comes of it."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from starting.own_data import write_images, write_recordings, write_sound, write_table, write_ts
from terminal import edgevolve

from edgevolve.configuration import load_configuration
from edgevolve.data import DataError, Features, ImageFolder, SensorFolder, SensorTable, Split, Splits, Table
from edgevolve.engine import task_of
from edgevolve.runs import ConfigError
from edgevolve.runs.measure import measure
from edgevolve.starting import Wishes, config_text, looked_at, planned
from edgevolve.starting.plan import several_divisions
from edgevolve.training import CrossValidate
from predictors import PredictorError
from predictors.board import FOLDER
from resource_models import macs
from search_space import CnnSpace, MlpSpace

ROOT = Path(__file__).parents[2]


def written(path, out, board="nano33ble", minutes=5.0, cores=2, flash=None, **wishes):
    """The plan, and the configuration that its text gives."""
    plan = planned(looked_at(str(path), board, Wishes(**wishes)), board, minutes, cores, flash)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(config_text(plan, out))
    return plan, load_configuration(str(out), ROOT / "configs")


@pytest.fixture(params=["images", "sound", "recordings", "table", "ts"])
def kind(request, tmp_path):
    top = tmp_path / "my data"
    match request.param:
        case "images":
            return write_images(top), ImageFolder, CnnSpace
        case "sound":
            return write_sound(top), Features, CnnSpace
        case "recordings":
            return write_recordings(top), SensorFolder, CnnSpace
        case "table":
            return write_table(tmp_path / "my table.csv"), Table, MlpSpace
    return write_ts(top), SensorTable, CnnSpace


def test_the_text_gives_the_search_that_was_planned_and_can_be_searched(kind, tmp_path):
    path, reader, space = kind
    plan, config = written(path, tmp_path / "mine.py")
    assert config == plan.config
    assert isinstance(config.data, reader) and isinstance(config.space, space)
    config.check(task_of(config))
    assert config.board.name == "nano33ble/arduino" and config.minutes == 5 and config.evaluations is None
    assert plan.feasible > 0.05


def test_the_text_is_short_in_the_house_style_and_says_why(kind, tmp_path):
    path, *_ = kind
    written(path, tmp_path / "mine.py")
    text = (tmp_path / "mine.py").read_text()
    assert len(text.splitlines()) <= 80 and max(map(len, text.splitlines())) <= 120
    assert ast.get_docstring(ast.parse(text)) and text.count("#") >= 5
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--select",
        "E,F,I",
        "--line-length",
        "120",
        str(tmp_path / "mine.py"),
    ]
    assert subprocess.run(ruff, capture_output=True).returncode == 0


def test_a_configuration_beside_its_data_moves_with_them_and_runs_from_any_folder(tmp_path, monkeypatch):
    write_images(tmp_path / "here" / "photos")
    written(tmp_path / "here" / "photos", tmp_path / "here" / "mine.py")
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.chdir("/")
    config = load_configuration(str(tmp_path / "there" / "mine.py"), ROOT / "configs")
    assert config.data.classes == 2


def test_data_elsewhere_are_named_from_the_root(tmp_path, monkeypatch):
    write_images(tmp_path / "photos")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    _, config = written("../photos", tmp_path / "work" / "mine.py")
    assert config.data.path == str(tmp_path / "photos")


def test_speakers_and_subjects_in_names_are_groups(tmp_path):
    plan, config = written(write_sound(tmp_path / "words"), tmp_path / "a.py")
    splits = config.data.load()
    assert {len(set(part.groups)) for part in (splits.validation, splits.test)} == {1}
    assert not set(splits.train.groups) & set(splits.test.groups) and "ann" in set(
        plan.config.data.data.load().train.groups
    )
    assert looked_at(str(write_recordings(tmp_path / "moves")), "rp2040", Wishes()).data.group == r"(subject\d+)"


def test_numbers_of_files_and_classes_are_no_groups(tmp_path):
    write_images(tmp_path / "photos")
    assert looked_at(str(tmp_path / "photos"), "rp2040", Wishes()).data.group is None


def test_what_a_window_of_sensors_takes_tightens_the_bound_on_the_arena(tmp_path):
    plan, config = written(write_recordings(tmp_path / "moves", steps=200), tmp_path / "a.py")
    (bound,) = (one for one in plan.problem.constraints if one.metric == "arena_bytes@cortex-m-dsp")
    assert bound.bound == config.board.arena.free_bytes - 4 * 200 * 3
    assert min(one.bound for one in config.problem.constraints if one.metric == bound.metric) == bound.bound


def test_what_a_clip_of_sound_takes_counts_in_the_arena(tmp_path):
    _, config = written(write_sound(tmp_path / "words"), tmp_path / "a.py")
    genotype = config.space.sample(np.random.default_rng(0))
    arena_bytes = measure(config.space, config.providers, genotype, beside=config.beside).metrics[
        "arena_bytes@cortex-m-dsp"
    ]
    assert arena_bytes > 2 * config.data.front_end.samples + config.data.front_end.work_bytes


def test_files_at_other_rates_and_of_two_channels_are_brought_together_and_it_says_so(tmp_path):
    write_sound(tmp_path / "words", rate=44_100, channels=2)
    write_sound(tmp_path / "words", speakers=("eve",), rate=16_000)
    reading = looked_at(str(tmp_path / "words"), "nano33ble", Wishes())
    assert (reading.data.data.rate, reading.data.data.mix) == (16_000, True)
    assert "44100 Hz" in reading.why["AudioFolder.rate"] and "several channels" in reading.why["AudioFolder.mix"]


def test_long_recordings_are_cut_into_windows_of_two_seconds(tmp_path):
    write_recordings(tmp_path / "moves", steps=1500, rate=50)
    data = looked_at(str(tmp_path / "moves"), "rp2040", Wishes()).data
    assert data.window == 128 and data.input_shape == (128, 1, 3)


def test_large_images_of_many_sizes_are_shrunk_to_one(tmp_path):
    write_images(tmp_path / "photos", side=300, colour=True, number=4)
    write_images(tmp_path / "photos", classes=("owl",), side=200, colour=True)
    reading = looked_at(str(tmp_path / "photos"), "nano33ble", Wishes())
    assert reading.data.colour and max(reading.data.size) <= 96 and "300×300" in reading.why["size"]


def test_the_column_to_predict_is_seen_or_asked_for(tmp_path):
    data = looked_at(str(write_table(tmp_path / "a.csv")), "rp2040", Wishes()).data
    assert (data.label, data.ignore, data.target.names) == ("grade", ("id",), ("bad", "good"))
    (tmp_path / "b.csv").write_text("a,b,c\n" + "".join(f"{n * 0.37 % 1},{n},{n * 0.73 % 1}\n" for n in range(40)))
    with pytest.raises(DataError, match="which column is to be predicted.*--label NAME"):
        looked_at(str(tmp_path / "b.csv"), "rp2040", Wishes())
    data = looked_at(str(tmp_path / "b.csv"), "rp2040", Wishes(label="c")).data
    assert (data.label, data.values, data.ignore) == ("c", True, ("b",))


def test_a_search_begins_with_the_largest_separable_network_that_keeps_the_bounds_and_smaller_ones(tmp_path):
    reading = looked_at(str(write_images(tmp_path / "photos", side=28)), "rp2040", Wishes())
    config = planned(reading, "rp2040", 5.0, 2).config
    wide, narrow, small = (config.space.graph(genotype) for genotype in config.start_genotypes)
    assert macs(wide) > macs(narrow) > macs(small)
    assert len(wide.nodes) == len(narrow.nodes) > len(small.nodes)
    measured = measure(config.space, config.providers, config.start[0], beside=config.beside)
    assert not config.problem.broken(measured.metrics)


def test_with_a_size_the_search_is_for_the_best_network_in_it(kind, tmp_path):
    path, _, _ = kind
    plan, config = written(path, tmp_path / "mine.py", flash=9_000)
    assert config == plan.config
    assert "flash_bytes" not in {one.metric for one in plan.problem.objectives}
    assert {one.metric: one.bound for one in plan.problem.constraints}["flash_bytes"] == 9_000
    assert (tmp_path / "mine.py").read_text().count("--pick best") == 2


def test_a_validation_split_of_few_people_or_examples_means_several_divisions(tmp_path):
    plan, config = written(write_recordings(tmp_path / "moves"), tmp_path / "mine.py")
    assert config.stages == (CrossValidate(),) and plan.problem.objectives[0].metric == "error_cross_validated"

    def stages(number, groups, stored=False):
        x = np.zeros((number, 4, 1, 1), np.float32)
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r") if stored else x
        named = None if groups is None else np.arange(number) % groups
        part = Split(x, np.arange(number) % 2, named)
        return several_divisions(Splits(part, part, part), "auc", {})

    assert stages(199, None) == stages(900, 2) == (CrossValidate(metric="auc"),)
    assert stages(200, None) == stages(30, 3) == stages(900, 2, stored=True) == ()


def test_a_size_that_cannot_be_kept_is_refused_in_one_line(tmp_path):
    photos = write_images(tmp_path / "photos")
    with pytest.raises(ConfigError, match=r"--flash: the smallest of \d+ small networks takes \d+ B"):
        written(photos, tmp_path / "a.py", flash=300)
    with pytest.raises(ConfigError, match=r"--flash: board nano33ble/arduino leaves .* of flash, less than 9\.54 MiB"):
        written(photos, tmp_path / "a.py", flash=1e7)


def test_more_time_and_cores_allow_larger_networks(tmp_path):
    reading = looked_at(str(write_images(tmp_path / "photos", number=200)), "rp2040", Wishes())

    def most(minutes, cores):
        plan = planned(reading, "rp2040", minutes, cores)
        return next(one.bound for one in plan.problem.constraints if one.metric == "macs")

    assert most(1, 1) < most(10, 1) < most(10, 8)


def test_a_board_too_small_for_any_network_is_refused_in_one_line(tmp_path):
    text = (FOLDER / "nano33ble.yaml").read_text().replace("sram: {value: 256KiB", "sram: {value: 62KiB", 1)
    (tmp_path / "tiny.yaml").write_text(text)
    write_images(tmp_path / "photos")
    with pytest.raises(ConfigError, match=r"nano33ble/arduino is too small for any of \d+ small networks: arena"):
        written(tmp_path / "photos", tmp_path / "a.py", board=str(tmp_path / "tiny.yaml"))


def test_an_unknown_board_gets_the_nearest_name(tmp_path):
    with pytest.raises(PredictorError, match="did you mean 'nano33ble'"):
        looked_at(str(write_images(tmp_path / "photos")), "nano33bel", Wishes())


def test_what_cannot_be_read_is_refused_or_left_out_as_asked(tmp_path):
    write_images(tmp_path / "photos")
    (tmp_path / "photos" / "cat" / "torn.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataError, match="torn.png.*--skip-unreadable leaves"):
        looked_at(str(tmp_path / "photos"), "rp2040", Wishes())
    plan, config = written(tmp_path / "photos", tmp_path / "a.py", skip_unreadable=True)
    assert config.data.skip_unreadable and any("1 left out as unreadable" in note for note in plan.notes)


@pytest.mark.slow
def test_the_command_writes_once_and_says_what_comes_next(tmp_path):
    write_table(tmp_path / "table.csv")
    (tmp_path / "own.yaml").write_text((FOLDER / "rp2040.yaml").read_text().replace("name: rp2040", "name: own"))
    begin = ("init", "--data", "table.csv", "--board", "own.yaml", "--minutes", "5")
    done = edgevolve(*begin, "-o", "mine.py", cwd=tmp_path)
    assert done.returncode == 0 and "a table of 60 rows and 2 inputs for 2 classes (bad, good)" in done.stdout
    assert "edgevolve train artifacts/mine --pick small --epochs 1200\n" in done.stdout
    assert load_configuration(str(tmp_path / "mine.py"), ROOT / "configs").board.name == "own/sdk"
    before = (tmp_path / "mine.py").read_text()
    again, other = edgevolve(*begin, "-o", "mine.py", cwd=tmp_path), edgevolve(*begin, "-o", "mine.txt", cwd=tmp_path)
    assert again.returncode == other.returncode == 2 and (tmp_path / "mine.py").read_text() == before
    assert again.stderr == "edgevolve: mine.py: exists already; choose another -o, or remove it\n"


def test_one_signal_a_line_has_as_many_axes_as_alternate(tmp_path):
    rng = np.random.default_rng(0)
    for label, name in enumerate(("calm", "wild")):
        (tmp_path / "vibration" / name).mkdir(parents=True)
        for number in range(4):
            steps = np.arange(40)[:, np.newaxis]
            lines = [np.sin(steps * 0.2 + rng.random()) * (1 + label) + [0, 5, -5] for _ in range(6)]
            np.savetxt(tmp_path / "vibration" / name / f"{number}.csv", [one.ravel() for one in lines], delimiter=",")
    reading = looked_at(str(tmp_path / "vibration"), "rp2040", Wishes())
    assert (reading.data.axes, reading.data.window, reading.data.input_shape) == (3, 40, (40, 1, 3))
    assert "3 apart" in reading.why["axes"]


def test_archives_of_signals_and_of_images_are_distinguished(tmp_path):
    labels = np.arange(30) % 2
    np.savez(tmp_path / "signals.npz", x=np.random.default_rng(0).normal(size=(30, 50, 3)), y=labels)
    np.savez(tmp_path / "images.npz", x_train=np.zeros((30, 9, 9), np.uint8), y_train=labels)
    assert looked_at(str(tmp_path / "signals.npz"), "rp2040", Wishes()).data.window == 50
    assert type(looked_at(str(tmp_path / "images.npz"), "rp2040", Wishes()).data).__name__ == "NpzImages"


def test_a_log_with_time_is_recordings_and_a_table_without_is_not(tmp_path):
    rows = [f"{n % 50 / 100:.2f},{n % 7},{'walk' if n // 200 else 'run'},s{n // 50}" for n in range(400)]
    (tmp_path / "log.csv").write_text("\n".join(["time_s,x,target,session", *rows]) + "\n")
    data = looked_at(str(tmp_path / "log.csv"), "rp2040", Wishes()).data
    assert isinstance(data, SensorTable) and data.window == 50
    (tmp_path / "table.csv").write_text("\n".join(["speed,x,target,session", *rows]) + "\n")
    table = looked_at(str(tmp_path / "table.csv"), "rp2040", Wishes()).data
    assert isinstance(table, Table) and table.group == "session"


def test_few_examples_get_a_larger_validation_split(tmp_path):
    plan, config = written(write_ts(tmp_path / "moves"), tmp_path / "a.py")
    assert config.data.validation_fraction == 0.3 and len(config.data.load().validation) >= 4
    assert "too few" in plan.reading.why["validation_fraction"]
