"""The requests for a file (foundry-api.md, section 1.10)."""

from __future__ import annotations

from contracts.codes import ErrorCode
from contracts.steps import RunFile
from foundry import errors
from foundry.fields import optional
from foundry.transport import Transport, path_id


def run_file(transport: Transport, file_id: str, most: int) -> RunFile:
    """Return the file; raise `ResponseTooLargeError` where it has more than `most` bytes, whatever it says of its
    size.
    """
    path = f"/files/{path_id(file_id, 'file')}"
    about = transport.get(path)
    size = about.get("bytes")
    known = size if isinstance(size, int) and not isinstance(size, bool) else 0
    if known > most:
        raise _too_large(file_id, f"{known:,}", most)
    try:
        content = transport.get_bytes(f"{path}/content", most)
    except errors.OversizedAnswerError:
        raise _too_large(file_id, f"more than {most:,}", most) from None
    if len(content) < known:
        raise errors.BadResponseError(
            f"Foundry's GET {path}/content ended after {len(content):,} of {known:,} bytes: ask again"
        )
    return RunFile(name=optional(about, "filename") or "", content=content)


def _too_large(file_id: str, size: str, most: int) -> errors.ResponseTooLargeError:
    return errors.ResponseTooLargeError(
        f"the file {file_id} has {size} bytes, and this app passes on {most:,} at most: read it from Foundry, "
        f"GET /files/{file_id}/content or the SDK's files.save",
        code=ErrorCode.RESPONSE_TOO_LARGE,
    )
