"""What may be written: the documents of a group, key, channel, model, and of a group's override of a model.

    GroupIn  KeyIn  ChannelIn  ModelIn  GroupModelIn     what creates one; absent fields have their default
    GROUP_PATCH …                                        what changes one (JSON Merge Patch, RFC 7396): absent fields
                                                         stay, null goes back to the default, lists are replaced whole

The names of the fields and the rules for their values are those of the configuration file (design §7.2); a rule that
concerns more than one object, or something outside of the document, is in checks.py. Unknown fields are refused.

A channel's credentials are a list as well. An entry with the `id` or `label` of one that the channel has, and without
`secret`, keeps that one's secret; so one can be added, replaced, disabled or taken away without the others being known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from fastproxy.admin.tenants import rules
from fastproxy.config import FORMATS, urls, values
from fastproxy.config.schema import KEEPS, PERIODS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

Name = Annotated[str, BeforeValidator(rules.name)]
ChannelName = Annotated[str, BeforeValidator(rules.channel_name)]
ModelName = Annotated[str, BeforeValidator(rules.model_name)]
Pattern = Annotated[str, BeforeValidator(rules.pattern)]
Tag = Annotated[str, BeforeValidator(rules.tag)]
Note = Annotated[str, BeforeValidator(rules.note)]
Line = Annotated[str, BeforeValidator(rules.text(values.parse_text))]
Path = Annotated[str, BeforeValidator(rules.text(values.parse_text, 4096))]
Status = Annotated[str, BeforeValidator(rules.text(values.choice(*STATUSES)))]
Money = Annotated[float, BeforeValidator(rules.number(0))]
Ratio = Annotated[float, BeforeValidator(rules.number(0.001, 1_000_000))]
Rpm = Annotated[int, BeforeValidator(rules.whole(1, 10**12))]
Tpm = Annotated[int, BeforeValidator(rules.whole(1, 10**15))]
Count = Annotated[int, BeforeValidator(rules.whole(1, 10_000_000))]
Flag = Annotated[bool, BeforeValidator(rules.flag)]
Subnet = Annotated[str, BeforeValidator(rules.text(values.parse_subnet))]
Seconds = Annotated[float, BeforeValidator(rules.duration(0.001, 7 * 86400))]
Size = Annotated[int, BeforeValidator(rules.size(0, 16 << 20))]
Moment = Annotated[
    int,
    BeforeValidator(rules.moment, json_schema_input_type=str | float),
    Field(description="ISO 8601 (UTC without an offset) or Unix seconds"),
]
Secret = Annotated[str, BeforeValidator(rules.secret), Field(json_schema_extra={"format": "password"})]
Free = Annotated[dict[str, Any], BeforeValidator(rules.free)]
Several = Field(max_length=rules.MOST_ITEMS)
# An empty list could mean "none" as well as "all".
AtLeastOne = Field(min_length=1, max_length=rules.MOST_ITEMS)


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class BudgetIn(Document):
    """US dollars in one period."""

    amount: Money
    period: Annotated[str, BeforeValidator(rules.text(values.choice(*PERIODS)))] = "monthly"


class PriceIn(Document):
    """US dollars per million tokens; null is the same as the bucket that it is part of."""

    input: Money = 0.0
    output: Money = 0.0
    cache_read: Money | None = None
    cache_write: Money | None = None
    reasoning: Money | None = None


class TimeoutsIn(Document):
    """Seconds, in place of the limits of these names."""

    first_byte: Seconds | None = None
    stream_idle: Seconds | None = None
    total: Seconds | None = None


class BodiesIn(Document):
    """Which requests and replies are kept, in place of what the file says; sizes in bytes."""

    keep: Annotated[str, BeforeValidator(rules.text(values.choice(*KEEPS)))] = "off"
    request_size: Size = 64 << 10
    reply_size: Size = 64 << 10


class GroupIn(Document):
    """A tenant."""

    name: Name
    status: Status = "enabled"
    models: Annotated[list[Pattern], AtLeastOne] = ["*"]
    sets: Annotated[list[Tag], AtLeastOne] = ["default"]
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Count | None = None
    budget: BudgetIn | None = None
    rpm_ratio: Ratio = 1.0
    tpm_ratio: Ratio = 1.0
    balance_alert_enabled: Flag = False
    balance_alert_threshold: Money | None = None
    note: Note = ""


class KeyIn(Document):
    """A credential of a client; its secret is made here and shown once."""

    name: Name
    group: Name = "default"
    status: Status = "enabled"
    models: Annotated[list[Pattern], AtLeastOne] = ["*"]
    sets: Annotated[list[Tag], Several] = []  # empty: its group's
    subnets: Annotated[list[Subnet], Several] = []  # empty: from anywhere
    expires: Moment | None = None
    quota: Money | None = None
    quota_daily: Money | None = None
    quota_weekly: Money | None = None
    quota_monthly: Money | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Count | None = None
    lossy: Annotated[str, BeforeValidator(rules.text(values.choice("report", "strict", "silent")))] = "report"
    note: Note = ""


class CredentialIn(Document):
    """One of a channel's accounts."""

    id: Annotated[str, BeforeValidator(rules.tag)] | None = None  # one that the channel has
    label: Annotated[str, BeforeValidator(rules.note), Field(max_length=64)] = ""
    secret: Secret | None = None
    status: Status = "enabled"


class ChannelIn(Document):
    """One upstream account, or several at the same place."""

    name: ChannelName
    provider: Tag | None = None  # None: what `name` says
    credentials: Annotated[list[CredentialIn], Field(max_length=100)] = []
    base_url: Annotated[str, BeforeValidator(rules.text(urls.parse_base_url, 2048))] | None = None
    models: Annotated[list[ModelName], Several] = []  # empty: any
    rename: Annotated[dict[ModelName, ModelName], BeforeValidator(rules.few), Several] = {}
    weight: Annotated[int, BeforeValidator(rules.whole(0, 1_000_000))] = 1
    priority: Annotated[int, BeforeValidator(rules.whole(-1_000_000, 1_000_000))] = 0
    format: Annotated[str, BeforeValidator(rules.text(values.choice(*FORMATS)))] | None = None
    sets: Annotated[list[Tag], AtLeastOne] = ["default"]
    status: Status = "enabled"
    verify: Flag = True
    ca_file: Path | None = None
    api_version: Annotated[str, BeforeValidator(rules.text(values.parse_api_version))] | None = None
    defaults: Free = {}
    builtin_tools: Annotated[str, BeforeValidator(rules.text(values.choice("drop", "map", "refuse")))] = "drop"
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Count | None = None
    note: Note = ""


class ModelIn(Document):
    """A name that clients ask for."""

    name: ModelName
    owner: Line | None = None
    mode: Tag | None = None
    strategy: Tag | None = None
    price: PriceIn | None = None
    fallback: Annotated[list[ModelName], Several] = []
    facts: Free = {}
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    retries: Annotated[int, BeforeValidator(rules.whole(0, 100))] | None = None
    timeouts: TimeoutsIn | None = None
    bodies: BodiesIn | None = None
    note: Note = ""


class GroupModelIn(Document):
    """What holds for one model when this group asks for it; null: nothing of its own."""

    rpm: Rpm | None = None
    tpm: Tpm | None = None
    price: PriceIn | None = None
    retries: Annotated[int, BeforeValidator(rules.whole(0, 100))] | None = None
    timeouts: TimeoutsIn | None = None
    bodies: BodiesIn | None = None


DOCUMENTS: Final[Mapping[str, type[Document]]] = {
    "groups": GroupIn,
    "keys": KeyIn,
    "channels": ChannelIn,
    "models": ModelIn,
    "group_models": GroupModelIn,
}


def _patch_of(document: type[Document]) -> type[BaseModel]:
    """The shape of a patch, for whoever describes the API; the service checks the patched document as a whole."""
    fields: dict[str, Any] = {
        name: (field.annotation | None if field.annotation else Any, None)
        for name, field in document.model_fields.items()
    }
    return create_model(document.__name__.replace("In", "Patch"), __config__=ConfigDict(extra="forbid"), **fields)


GROUP_PATCH: Final = _patch_of(GroupIn)
KEY_PATCH: Final = _patch_of(KeyIn)
CHANNEL_PATCH: Final = _patch_of(ChannelIn)
MODEL_PATCH: Final = _patch_of(ModelIn)
