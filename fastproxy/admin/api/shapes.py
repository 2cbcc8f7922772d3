"""What the routes of tenants give back, for whoever describes the API or makes types from it.

Nothing is checked against these while serving: the service makes the items, and tests hold them against these shapes.
A body that is sent is described by the service's own documents and judged by it alone, so that every fault is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Body
from pydantic import BaseModel, ConfigDict
from pydantic_core import core_schema

from fastproxy.admin.tenants import documents

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class DescribedBy:
    """An annotation: any JSON is taken, and the API's description says that it is this document."""

    def __init__(self, document: type[BaseModel]) -> None:
        self._document = document

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self._document.__pydantic_core_schema__)


GroupBody = Annotated[Any, DescribedBy(documents.GroupIn), Body()]
GroupPatchBody = Annotated[Any, DescribedBy(documents.GROUP_PATCH), Body()]
GroupModelBody = Annotated[Any, DescribedBy(documents.GroupModelIn), Body()]
KeyBody = Annotated[Any, DescribedBy(documents.KeyIn), Body()]
KeyPatchBody = Annotated[Any, DescribedBy(documents.KEY_PATCH), Body()]
ChannelBody = Annotated[Any, DescribedBy(documents.ChannelIn), Body()]
ChannelPatchBody = Annotated[Any, DescribedBy(documents.CHANNEL_PATCH), Body()]
ModelBody = Annotated[Any, DescribedBy(documents.ModelIn), Body()]
ModelPatchBody = Annotated[Any, DescribedBy(documents.MODEL_PATCH), Body()]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldError(Shape):
    path: str
    message: str


class Refused(Shape):
    status: int
    kind: str
    message: str
    fields: list[FieldError] | None = None


class ErrorReply(Shape):
    """Every error of this port."""

    error: Refused


class Kept(Shape):
    """What every object has. What the file declares has no id, no times and no version: it is read-only here."""

    id: str | None
    created_at: str | None
    updated_at: str | None
    version: int | None
    managed_by: Literal["database", "file"]
    origin: str  # where the file, variable or flag says it
    shadowed_by: str  # what the file declares under the same name; then this one is not in use


class GroupShown(Kept, documents.GroupIn):
    pass


class GroupModelShown(documents.GroupModelIn):
    model: str
    version: int


class KeyShown(Kept, documents.KeyIn):
    expires: str | None  # type: ignore[assignment]  # written in one of several ways, shown as ISO 8601
    prefix: str
    rotated_at: str | None = None  # the file's have neither
    previous_until: str | None = None


class KeyMade(KeyShown):
    secret: str  # this once


class CredentialShown(Shape):
    id: str | None = None  # the file's have none
    label: str
    hint: str  # the last characters
    status: str


class ChannelShown(Kept, documents.ChannelIn):
    credentials: list[CredentialShown]  # type: ignore[assignment]  # their secrets are never shown


class ModelShown(Kept, documents.ModelIn):
    pass


class Page(Shape):
    total: int  # of all pages


class GroupPage(Page):
    items: list[GroupShown]


class GroupModelPage(Page):
    items: list[GroupModelShown]


class KeyPage(Page):
    items: list[KeyShown]


class ChannelPage(Page):
    items: list[ChannelShown]


class ModelPage(Page):
    items: list[ModelShown]


class FieldChange(Shape):
    path: str
    before: Any
    after: Any


class Difference(Shape):
    """What becomes of one object."""

    kind: str
    id: str | None
    name: str
    action: Literal["create", "change", "remove"]
    fields: list[FieldChange]


class Plan(Shape):
    """With ?plan=true: what would change; nothing has been applied."""

    plan: Literal[True]
    item: dict[str, Any] | None
    differences: list[Difference]
    revision: int


class ChangeTold(Shape):
    kind: str
    id: str | None
    name: str
    action: Literal["create", "change", "remove"]


class ChangeShown(ChangeTold):
    before: dict[str, Any] | None  # None: it was not there
    after: dict[str, Any] | None
    fields: list[FieldChange]


class Publication(Shape):
    """One revision. `count`: its changes, of which a list tells the first ones."""

    revision: int
    at: str
    actor: str
    count: int
    changes: list[ChangeTold]


class PublicationShown(Publication):
    changes: list[ChangeShown]  # type: ignore[assignment]  # as in a list, and more of each


class PublicationPage(Page):
    items: list[Publication]


class RolledBack(Shape):
    revision: int  # the new one
    differences: list[Difference]


class SettingChange(Shape):
    """A setting as `fastproxy check` prints it, secrets masked; None: it is not there."""

    path: str
    before: str | None
    after: str | None


class ReloadPlan(Shape):
    plan: Literal[True]
    differences: list[SettingChange]


class Reloaded(Shape):
    generation: int


class LogItem(Shape):
    """One record. Times are Unix milliseconds, durations milliseconds, tokens in disjoint kinds but for reasoning,
    which is a part of output."""

    request_id: str
    started_at: int
    group: str
    key_name: str
    key_id: str  # "" for keys of the file
    model: str  # as the client asked
    upstream_model: str
    channel: str
    provider: str
    client_format: str
    upstream_format: str
    operation: str
    stream: bool
    status: int  # 0: none was sent
    error_kind: str  # "aborted": its worker died
    attempts: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool  # tokens were counted here, not reported
    cost_usd: float
    ttft_ms: float | None
    duration_ms: float
    gateway_us: int  # the part of the duration that was spent here
    bytes_in: int
    bytes_out: int
    client_ip: str
    user_agent: str
    node: str


class LogPage(Shape):
    items: list[LogItem]
    next_cursor: str | None


class AttemptShown(Shape):
    """A try that did not serve."""

    number: int
    channel: str
    provider: str
    upstream_model: str
    upstream_format: str
    status: int
    error_kind: str
    duration_ms: float


class BodyShown(Shape):
    """What was kept of a body, credentials taken out: as text, or in base64 where it is none."""

    size: int  # of the whole
    truncated: bool
    text: str | None = None
    base64: str | None = None


class BodiesShown(Shape):
    request: BodyShown | None
    reply: BodyShown | None


class LogShown(LogItem):
    earlier_attempts: list[AttemptShown]
    bodies: BodiesShown


_DESCRIPTIONS: Final = {
    401: "the admin key is missing or wrong",
    403: "no admin key is set, or another site asks",
    404: "there is no such object",
    409: "duplicate, changed meanwhile, in use, or managed by the file",
    422: "what was sent is not valid: the fields say where",
    503: "the database is away; retry-after says when to come again",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=`: those that every route of tenants may give, and these."""
    wanted = sorted({401, 403, 422, 503, *statuses})
    return {status: {"model": ErrorReply, "description": _DESCRIPTIONS[status]} for status in wanted}


READS: Final = refusals(404)
CHANGES: Final[dict[int | str, dict[str, Any]]] = {**refusals(404, 409)}
