"""What compression costs and gains: pruning, integers, distillation, inherited weights, each proven on what is shipped.

    python benchmarks/compression.py [--quick] [--data FOLDER] [--only SECTION,...] [--minutes M] [--keep FILE]
        [--spaces SPACE,...]

`--data` names a folder with `mnist_12k2k.npz`, `fsdd_8k.npz` (spoken digits) and `har_phone.npz` (phone sensors); what
needs one of them is null without it. `--quick` measures less of everything, and ends after 14 minutes on two cores
with what was measured by then; `--minutes` says another end. Sections run two at a time, each on one core. What a
section gave is appended to FILE as a line of JSON as it ends; with the same FILE and options it is not run again.
`--spaces` restricts `fake-quant`. Prints the tables of each section as it ends, then one line of JSON; keys of sections
that did not run are null.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.compression_sections.section import KEYS, SECTIONS, TOGETHER, Options, Section

AT_ONCE = 2
QUICK_MINUTES = 14.0


def main() -> None:
    """Run the sections, print their tables, then the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with the three real data sets")
    parser.add_argument("--only", help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="fewer networks, epochs and seeds")
    parser.add_argument("--minutes", type=float, help="after which sections that have not ended are stopped")
    parser.add_argument("--keep", type=Path, help="file of the figures of each section that ended")
    parser.add_argument("--spaces", default="", help="of the section fake-quant, as MLP,cells")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    chosen = given.only.split(",") if given.only else list(SECTIONS)
    if unknown := [name for name in chosen if name not in SECTIONS]:
        parser.error(f"--only {unknown[0]}: give one or more of {','.join(SECTIONS)}")
    spaces = tuple(filter(None, given.spaces.split(",")))
    if spaces:
        from benchmarks.compression_sections.fake_quant_steps import SPACES

        if unknown := [name for name in spaces if name not in SPACES]:
            parser.error(f"--spaces {unknown[0]}: give one or more of {','.join(SPACES)}")
    options = Options(given.quick, given.data, spaces)
    if given.here:
        return measured(chosen, options, given.keep)
    with tempfile.TemporaryDirectory() as folder:
        keep = given.keep or Path(folder) / "figures.jsonl"
        waiting = [name for name in chosen if name not in kept(keep, options)]
        common = [*(["--quick"] if given.quick else []), *(["--data", str(given.data)] if given.data else [])]
        common += ["--spaces", given.spaces]
        minutes = given.minutes or (QUICK_MINUTES if given.quick else float("inf"))
        side_by_side(waiting, [*common, "--keep", str(keep), "--here"], time.monotonic() + 60 * minutes)
        ended = kept(keep, options)
    if missing := [name for name in chosen if name not in ended]:
        print(f"did not end in time: {', '.join(missing)}")
    figures: dict[str, Any] = dict.fromkeys(KEYS)
    for name in chosen:
        figures |= ended.get(name, {})
    print(json.dumps(figures))


def measured(names: list[str], options: Options, keep: Path) -> None:
    """Run sections one after the other in this process; each prints its tables and appends its figures when it ends."""
    from edgevolve.training.session import configure_tensorflow

    configure_tensorflow(1)
    console = Console()
    for name in names:
        begun = time.monotonic()
        module: Section = import_module(f"benchmarks.compression_sections.{SECTIONS[name]}")
        section = module.measure(options)
        with console.capture() as text:
            for table in section.tables:
                console.print(table)
            for line in section.notes:
                console.print(line, highlight=False)
            console.print(f"{name}: {time.monotonic() - begun:.0f} s\n", highlight=False)
        print(text.get(), flush=True)
        with keep.open("a") as file:
            file.write(
                json.dumps({"section": name, "options": in_words(options), "figures": dict(section.figures)}) + "\n"
            )


def side_by_side(names: list[str], options: list[str], end: float) -> None:
    """Groups of sections, each in a process of its own, `AT_ONCE` at a time; stopped at `end`, a monotonic time."""
    groups = [[name for name in group if name in names] for group in TOGETHER]
    waiting, running = [group for group in groups if group], list[subprocess.Popen[bytes]]()
    while (waiting or running) and time.monotonic() < end:
        while waiting and len(running) < AT_ONCE:
            command = [sys.executable, __file__, "--only", ",".join(waiting.pop(0)), *options]
            running.append(subprocess.Popen(command))
        time.sleep(0.2)
        running = [process for process in running if process.poll() is None]
    for process in running:
        process.terminate()
        process.wait()


def kept(file: Path, options: Options) -> dict[str, dict[str, Any]]:
    """The figures of each section that ended with these options."""
    lines = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
    return {line["section"]: line["figures"] for line in lines if line["options"] == in_words(options)}


def in_words(options: Options) -> str:
    """How much was measured, and on what."""
    words = "quick" if options.quick else "full", str(options.data or "without data"), *options.spaces
    return ", ".join(words)


if __name__ == "__main__":
    main()
