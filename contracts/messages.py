"""What a message to the agent holds, as callers send it and Foundry takes it (foundry-api.md, section 1.11)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from contracts.ids import FileId
from contracts.metadata import Metadata
from contracts.tool_resources import DataSource
from contracts.wire import Wire

MAX_MESSAGE_CHARACTERS = 256_000

MAX_CHARACTERS_OF_ALL_TEXTS = 1_500_000
"""Of one message (foundry-api.md, section 1.8)."""

MAX_CONTENT_PARTS = 50

MAX_ATTACHMENTS = 20

MAX_IMAGE_URL_CHARACTERS = 2_000_000
"""An image may come in the URL itself, as base64."""

NotBlank = Annotated[str, Meta(pattern=r"\S", min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]

TextBesideParts = Annotated[
    str, Meta(min_length=1, max_length=MAX_MESSAGE_CHARACTERS, extra_json_schema={"pattern": r"\S"})
]
"""The same where a list may stand instead: `validation.message_limits` sees that it is not blank. The process ends
with a segmentation fault where a text with a pattern shares a union with a list or a dict (msgspec 0.22).
"""

IMAGE_URL_PATTERN = r"\A(https?://[^\s/?#]+[^\s]*|data:image/(png|jpe?g|gif|webp);base64,[A-Za-z0-9+/]+={0,2})\Z"

Detail = Literal["auto", "low", "high"]


class _Part(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of the parts of a message."""


class TextPart(_Part, frozen=True, kw_only=True, tag="text"):
    """A text."""

    text: NotBlank


class ImageFile(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An image that was uploaded to Foundry."""

    file_id: FileId
    detail: Detail | None = None


class ImageFilePart(_Part, frozen=True, kw_only=True, tag="image_file"):
    """An image that was uploaded to Foundry."""

    image_file: ImageFile


class ImageUrl(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An image that Foundry fetches, or that the URL itself holds."""

    url: Annotated[
        str,
        Meta(
            pattern=IMAGE_URL_PATTERN,
            max_length=MAX_IMAGE_URL_CHARACTERS,
        ),
    ]
    detail: Detail | None = None


class ImageUrlPart(_Part, frozen=True, kw_only=True, tag="image_url"):
    """An image by its URL."""

    image_url: ImageUrl


ContentPart = TextPart | ImageFilePart | ImageUrlPart


class AttachmentTool(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool that may read an attached file."""

    type: Literal["file_search", "code_interpreter"]


class MessageAttachment(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file for tools of the agent: either one that was uploaded to Foundry, or an asset of Azure."""

    file_id: FileId | UnsetType = UNSET
    data_source: DataSource | UnsetType = UNSET
    tools: Annotated[list[AttachmentTool], Meta(min_length=1, max_length=2)]


Content = Annotated[list[ContentPart], Meta(min_length=1, max_length=MAX_CONTENT_PARTS)]

_OneFile = Annotated[MessageAttachment, Meta(extra_json_schema={"minProperties": 2, "maxProperties": 2})]
"""With its tools and one of the other two: `validation.message_limits` sees to it."""

Attachments = Annotated[list[_OneFile], Meta(max_length=MAX_ATTACHMENTS)]


class AdditionalMessage(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message that is put on the thread together with the run."""

    role: Literal["user", "assistant"]
    content: TextBesideParts | Content
    attachments: Attachments | None = None
    metadata: Metadata | None = None


class UserMessage(Wire, frozen=True, kw_only=True):
    """The message of one start: its text, then its other parts."""

    text: str | None = None
    content: list[ContentPart] = []
    attachments: list[MessageAttachment] = []

    def as_content(self) -> str | list[ContentPart]:
        """Return the content as Foundry takes it: a bare text where there is nothing else."""
        if not self.content:
            return self.text or ""
        return [*([TextPart(text=self.text)] if self.text else []), *self.content]
