"""A hook of MkDocs: writes the page of each run of the gallery from its journal while the site is built."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.structure.files import File, Files

from edgevolve import Run
from edgevolve.reports.page import report_page

GALLERY = Path(__file__).parent


def on_files(files: Files, config: Any) -> Files:
    """Add `gallery/NAME.html` for every `NAME.jsonl.gz`."""
    for packed in sorted(GALLERY.glob("*.jsonl.gz")):
        name = packed.name.partition(".")[0]
        with TemporaryDirectory() as folder:
            journal = Path(folder) / name / "journal.jsonl"
            journal.parent.mkdir()
            journal.write_bytes(gzip.decompress(packed.read_bytes()))
            page = report_page([Run.open(journal)], [f"artifacts/{name}"])
        files.append(File.generated(config, f"gallery/{name}.html", content=page))
    return files
