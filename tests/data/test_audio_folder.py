"""Sound in folders: layouts, rates, lengths, noise and groups that are read, and what is refused in one line."""

import re
import wave
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import wavfile

from edgevolve.data import AudioFolder, DataError, Mel, Samples, StoredArray, as_float, with_front_end
from edgevolve.runs.provenance import load_data
from edgevolve.testing import check_data_set, check_front_end
from search_space import MlpSpace

RATE = 1000
WORDS = ("bed", "no", "six", "up", "yes")


def tone(number, samples=RATE):
    """Its first sample and its last tell its number, so that none is another's."""
    return np.round(9000 * np.sin(np.arange(samples) * (0.05 + number / 500)) + number).astype(np.int16)


def save(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def folder(tmp_path):
    """Two words of 12 files of 1 s."""
    top = tmp_path / "words"
    for number in range(24):
        save(top / ("no", "yes")[number % 2] / f"p{number // 6}_{number}.wav", tone(number))
    return top


def parts(splits):
    return splits.train, splits.validation, splits.test


def rows(splits):
    return {(x.tobytes(), int(y)) for part in parts(splits) for x, y in zip(part.x[:], part.y, strict=True)}


def test_files_are_clips_of_int16_and_each_is_in_one_split(folder):
    data = AudioFolder(str(folder))
    splits = data.load()
    assert (data.input_shape, data.target.names) == ((RATE, 1, 1), ("no", "yes"))
    assert splits.train.x.dtype == np.int16 and sum(map(len, parts(splits))) == 24
    assert rows(splits) == {(tone(number).tobytes(), number % 2) for number in range(24)}
    assert splits.notes[0].startswith("split: test and validation held out by file, seed 0")
    check_data_set(data)


def test_int16_stands_for_value_over_32768_and_so_does_its_front_end():
    assert as_float(np.array([-32768, 16384], np.int16)).tolist() == [-1.0, 0.5]
    raw = np.random.default_rng(0).integers(-32768, 32768, (8, 50, 1, 1), dtype=np.int16)
    check_front_end(Samples((50, 1, 1)), raw)
    assert np.array_equal(Samples((50, 1, 1)).apply(raw), as_float(raw))


def test_short_files_stand_between_zeros_and_of_long_ones_the_middle_is_taken(folder):
    save(folder / "no" / "short.wav", tone(50, 700))
    save(folder / "yes" / "long.wav", tone(60, 1500))
    splits = AudioFolder(str(folder)).load()
    assert (np.pad(tone(50, 700), 150).tobytes(), 0) in rows(splits)
    assert (tone(60, 1500)[250:1250].tobytes(), 1) in rows(splits)
    assert "1 files are shorter than 1 s and stand between zeros" in splits.notes
    assert any(note.startswith("of 1 files longer than 1 s the middle is taken") for note in splits.notes)


def test_with_a_stride_all_of_a_file_is_taken_and_stays_in_one_split(tmp_path):
    for number in range(12):
        save(tmp_path / "ab"[number % 2] / f"{number}.wav", tone(number, 3000))
    data = AudioFolder(str(tmp_path), stride=0.5)
    splits = data.load()
    assert sum(map(len, parts(splits))) == 12 * 5
    assert all(len(set(part.groups)) * 5 == len(part) for part in parts(splits))
    check_data_set(data)


def test_speakers_by_pattern_and_those_of_speech_commands_stay_together(tmp_path, folder):
    splits = AudioFolder(str(folder), group=r"(p\d)_").load()
    groups = [set(part.groups) for part in parts(splits)]
    assert set.union(*groups) == {"p0", "p1", "p2", "p3"} and sum(map(len, groups)) == 4
    for number in range(24):
        save(tmp_path / "sc" / ("no", "yes")[number % 2] / f"{number // 4:08x}_nohash_{number}.wav", tone(number))
    splits = AudioFolder(str(tmp_path / "sc")).load()
    assert splits.notes[0].startswith("split: test and validation held out by speaker")
    groups = [set(part.groups) for part in parts(splits)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 6


@pytest.fixture
def commands(tmp_path):
    """As Speech Commands are laid out: five words, two lists, noise."""
    top = tmp_path / "commands"
    for number in range(150):
        save(top / WORDS[number % 5] / f"{number // 5:08x}_nohash_0.wav", tone(number))
    for name, speakers in (("validation", (3, 4)), ("testing", (5, 6))):
        lines = (f"{word}/{speaker:08x}_nohash_0.wav\n" for word in WORDS for speaker in speakers)
        (top / f"{name}_list.txt").write_text("".join(lines))
    rng = np.random.default_rng(0)
    for name in ("hum", "rain"):
        save(top / "_background_noise_" / f"{name}.wav", rng.integers(-900, 900, 20 * RATE).astype(np.int16))
    return top


def test_the_lists_of_speech_commands_are_honoured_and_noise_is_no_class(commands):
    data = AudioFolder(str(commands))
    assert data.target.names == WORDS
    assert [len(part) for part in parts(data.load())] == [130, 10, 10]


def test_chosen_words_unknown_and_silence(commands):
    data = AudioFolder(str(commands), words=("yes", "no"), silence=True)
    splits = data.load()
    assert data.target.names == ("yes", "no", "unknown", "silence")
    counts = np.bincount(np.concatenate([part.y for part in parts(splits)]), minlength=4)
    assert counts[:2].tolist() == [30, 30] and 20 <= counts[2] <= 40 and 20 <= counts[3] <= 40
    assert all(3 in part.y for part in parts(splits))
    noise = [set(part.x[part.y == 3].ravel().tolist()) for part in parts(splits)]
    assert all(abs(max(each)) < 900 for each in noise)
    check_data_set(data)


def test_clips_of_noise_never_reach_into_another_split(tmp_path):
    for number in range(40):
        save(tmp_path / "ab"[number % 2] / f"{number}.wav", tone(number) * 0)
    save(tmp_path / "_background_noise_" / "count.wav", np.arange(1, 25_001).astype(np.int16))
    splits = AudioFolder(str(tmp_path), silence=True).load()
    samples = [set(part.x[part.y == 2].ravel().tolist()) for part in parts(splits)]
    assert sum(map(len, samples)) == len(set.union(*samples)) > 10_000


def test_other_rates_are_refused_or_resampled(folder):
    t = np.arange(2 * RATE) / (2 * RATE)
    save(folder / "no" / "z.wav", np.round(8000 * np.sin(2 * np.pi * 5 * t)), 2 * RATE)
    with pytest.raises(DataError, match=r"z\.wav: is at 2000 Hz, the first at 1000; rate=1000 resamples all"):
        AudioFolder(str(folder)).load()
    splits = AudioFolder(str(folder), rate=RATE).load()
    wanted = 8000 * np.sin(2 * np.pi * 5 * np.arange(RATE) / RATE)
    errors = [np.abs(x.ravel() - wanted)[100:-100].max() for part in parts(splits) for x in part.x[:]]
    assert min(errors) < 40
    assert AudioFolder(str(folder), rate=1600, seconds=0.5).input_shape == (800, 1, 1)


@pytest.mark.parametrize("kind", ["uint8", "int32", "float32", "float64", "24 bits", "extra chunk"])
def test_every_kind_of_wav_is_the_same_sound(tmp_path, folder, kind):
    wanted = tone(90).astype(np.float64)
    path = folder / "no" / "kind.wav"
    if kind == "24 bits":
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 3, RATE, 0, "NONE", ""))
            file.writeframes(b"".join((int(v) << 8).to_bytes(3, "little", signed=True) for v in wanted))
    elif kind == "extra chunk":
        save(path, tone(90))
        content = path.read_bytes() + b"LIST\x04\x00\x00\x00abcd"
        path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    else:
        scaled = {"uint8": wanted / 256 + 128, "int32": wanted * 65536}.get(kind, wanted / 32768)
        wavfile.write(path, RATE, np.asarray(np.round(scaled) if "int" in kind else scaled).astype(kind))
    splits = AudioFolder(str(folder)).load()
    errors = [np.abs(x.ravel() - wanted).max() for part in parts(splits) for x in part.x[:]]
    assert min(errors) <= (255 if kind == "uint8" else 0)


def test_two_channels_are_refused_or_mixed(folder):
    save(folder / "no" / "stereo.wav", np.stack([tone(70), tone(70) + 10], axis=1))
    with pytest.raises(DataError, match=r"stereo\.wav: has 2 channels; mix=True takes their mean"):
        AudioFolder(str(folder)).load()
    assert ((tone(70) + 5).tobytes(), 0) in rows(AudioFolder(str(folder), mix=True).load())


def test_edge_impulse_names_classes_in_file_names(tmp_path):
    for number in range(24):
        place = tmp_path / ("training", "testing")[number % 3 == 0] / f"{('noise', 'yes')[number % 2]}.{number}.wav"
        save(place, tone(number))
    data = AudioFolder(str(tmp_path))
    assert data.target.names == ("noise", "yes") and len(data.load().test) == 8


def test_what_exceeds_memory_lies_in_a_file_and_is_the_same(folder, monkeypatch):
    whole = AudioFolder(str(folder)).load()
    monkeypatch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", 5000)
    stored = AudioFolder(str(folder), skip_unreadable=True).load()
    assert isinstance(stored.train.x.source, StoredArray)
    for one, other in zip(parts(whole), parts(stored), strict=True):
        assert np.array_equal(one.x, other.x[:]) and np.array_equal(one.y, other.y)


@pytest.mark.parametrize("in_memory", [True, False])
def test_noise_of_the_training_split_is_mixed_into_its_words_and_into_nothing_else(folder, monkeypatch, in_memory):
    noise = np.round(np.random.default_rng(0).normal(0, 8_000, 12 * RATE)).astype(np.int16)
    save(folder / "_background_noise_" / "hum.wav", noise)
    plain = AudioFolder(str(folder), silence=True).load()
    if not in_memory:
        monkeypatch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", 5000)
    data = AudioFolder(str(folder), silence=True, background=0.25)
    mixed = data.load()
    assert np.array_equal(plain.train.y, mixed.train.y) and np.array_equal(plain.test.x, mixed.test.x[:])
    assert np.array_equal(plain.validation.x, mixed.validation.x[:])
    added = mixed.train.x[:].astype(int) - plain.train.x[:]
    quiet, words = (added[plain.train.y == 2], added[plain.train.y != 2])
    assert len(quiet) and not quiet.any()
    levels = words.std(axis=(1, 2, 3)) / 8_000
    assert np.mean(levels > 0.001) > 0.5
    assert levels.max() < 0.27
    rows = mixed.train.x[:]
    assert np.array_equal(mixed.train.x[np.array([3, 1])], rows[[3, 1]]) and np.array_equal(
        mixed.train.x[2:4], rows[2:4]
    )
    check_data_set(data)


def test_clips_go_through_mel_bands(folder):
    splits = AudioFolder(str(folder)).load()
    mel = Mel(RATE, RATE, bands=8, high_hz=RATE / 2).fitted(splits.train.x)
    made = with_front_end(splits, mel)
    assert made.train.x.shape[1:] == mel.shape and made.raw.dtype == np.int16


def broken(content, tmp_path):
    good = tmp_path / "good.wav"
    save(good, tone(1))
    return {
        "empty": b"",
        "no sound": b"hello world, not a wav",
        "header alone": good.read_bytes()[:30],
        "cut off": good.read_bytes()[:500],
        "no sample": good.read_bytes()[:40] + bytes(4),
        "compressed": good.read_bytes()[:20] + b"\x55\x00" + good.read_bytes()[22:],
        "rate of 1": good.read_bytes()[:24] + b"\1\0\0\0\2\0\0\0" + good.read_bytes()[32:],
    }[content]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("empty", "odd.wav: is empty"),
        ("no sound", "odd.wav: not a WAV that can be read"),
        ("header alone", "odd.wav: not a WAV that can be read"),
        ("cut off", r"odd.wav: not a WAV that can be read \(it is shorter than its header says\)"),
        ("no sample", "odd.wav: "),
        ("compressed", "odd.wav: not a WAV that can be read"),
        ("rate of 1", "odd.wav: has a rate of 1 Hz; it must be from 1000 to 400000 Hz"),
    ],
)
def test_an_unreadable_file_is_one_line_or_left_out_on_request(tmp_path, folder, content, message):
    (folder / "no" / "odd.wav").write_bytes(broken(content, tmp_path))
    data = AudioFolder(str(folder))
    with pytest.raises(DataError, match=message) as caught:
        data.load()
    assert "\n" not in str(caught.value) and "skip_unreadable=True" in str(caught.value)
    splits = replace(data, skip_unreadable=True).load()
    assert sum(map(len, parts(splits))) == 24
    assert any("1 left out as unreadable" in note and re.search(message, note) for note in splits.notes)


def test_floats_that_are_not_finite(folder):
    wavfile.write(folder / "no" / "odd.wav", RATE, np.full(RATE, np.nan, np.float32))
    with pytest.raises(DataError, match="odd.wav: holds a value that is not a finite number"):
        AudioFolder(str(folder)).load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0}, "seconds must be above 0 and up to 60, not 0"),
        ({"stride": -1}, "stride must be above 0"),
        ({"rate": 10}, "rate must be from 1000 to 400000 Hz, not 10"),
        ({"words": ("yes", "maybe")}, "no class maybe; it has no, yes"),
        ({"background": 0.1}, "background is from 0 to 1 and needs silence=True"),
        ({"background": 2, "silence": True}, "background is from 0 to 1"),
        ({"silence": True}, "silence=True needs WAV files in a folder _background_noise_"),
        ({"group": r"_(x)"}, "does not match no/p0_0.wav"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(folder, options, message):
    with pytest.raises(DataError) as caught:
        AudioFolder(str(folder), **options).load()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_search_runs_on_sound_and_its_class_names_stay(folder, config, run_search):
    data = AudioFolder(str(folder), seconds=0.05)
    run = run_search(config(data=data, space=MlpSpace(data.input_shape, data.classes), evaluations=2))
    assert load_data(run).target.names == ("no", "yes")
