"""Keeps files that tools append to a `.tflite` as a zip archive, such as `labels.txt`, when the file is rewritten."""

import io
import zipfile

from edgevolve.deployment.export_error import ExportError

_MOST_BYTES = 2**28
"""The most bytes that the files of an archive may have in all, unpacked."""


def with_archive_of(original: bytes, rewritten: bytes) -> bytes:
    """The rewritten file with the archive at the end of the original appended; unchanged where there is none.

    Raises `ExportError` for an archive that cannot be read, or that unpacks to more than 256 MiB.
    """
    if not zipfile.is_zipfile(io.BytesIO(original)):
        return rewritten
    try:
        with zipfile.ZipFile(io.BytesIO(original)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise ExportError(f"the appended archive unpacks to more than {_MOST_BYTES >> 20} MiB")
            contents = [archive.read(entry) for entry in entries]
        whole = io.BytesIO(rewritten)
        with zipfile.ZipFile(whole, "a") as archive:
            for entry, content in zip(entries, contents, strict=True):
                archive.writestr(entry, content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        if isinstance(error, ExportError):
            raise
        reason = " ".join(str(error).split())
        raise ExportError(f"the archive appended to the file cannot be kept: {reason}") from error
    return whole.getvalue()
