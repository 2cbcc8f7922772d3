"""What a configuration is: frozen contracts, each field with its unit, its default and the reason for it.

    Settings ─┬─ Listen (Tls)      where clients and operators connect
              ├─ Limits            bytes, seconds and counts that bound one worker
              ├─ Journal, Ledger   where records wait, where they end up and for how long
              ├─ Bodies            which requests and replies are kept
              ├─ Channel           one upstream account      ┐
              ├─ Model, Group      what is asked for, by whom │ what an exchange is decided from
              ├─ Key               a credential of a client   │
              └─ Route             an edge proxy rule         ┘
    Place      where a value came from: the origin that `check` prints, and the position that an error names

Seconds are floats, sizes are whole bytes, money is US dollars. Credentials are kept out of every repr, so that no log
line or traceback can show one. This file knows neither YAML nor flags; nothing here reads or checks anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fastproxy.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = ("openai", "openai-chat", "openai-responses", "anthropic", "gemini", "ollama")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: `name` is the file, the variable or the flag; line and column count from 1 in files."""

    kind: Literal["default", "file", "env", "flag"]
    name: str = ""
    line: int = 0
    column: int = 0

    @property
    def origin(self) -> str:
        if self.kind == "default":
            return "default"
        position = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.kind} {self.name}{position}"

    def error(self, text: str) -> ConfigError:
        if self.kind == "file":
            return ConfigError(text, file=self.name, line=self.line, column=self.column)
        return ConfigError(f"{self.name}: {text}" if self.name else text)


@dataclass(frozen=True, slots=True)
class VendorEnv:
    """A vendor's usual environment variables, the strongest first.

    Vendors disagree whether their base URL variable ends with the version: OPENAI_BASE_URL has `/v1`, Anthropic's and
    Google's do not. `version_path` is what is added when it is missing, so that a channel's base_url always has it.
    """

    keys: tuple[str, ...] = ()
    base_urls: tuple[str, ...] = ()
    version_path: str = ""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class Listen:
    """One address: host and port, or the path of a Unix socket (then host is empty and port 0)."""

    host: str
    port: int
    unix: str | None = None
    tls: Tls | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange, and one worker, may use at most."""

    max_body: int = 32 << 20  # vision prompts reach 20 MB
    max_head: int = 64 << 10  # long cookies plus tracing baggage; nginx allows 32 KiB
    max_fields: int = 128  # header fields of one head
    max_target: int = 16 << 10  # request target; `?key=` and long queries fit
    max_buffer: int = 256 << 20  # all buffered bodies of one worker together
    header_timeout: float = 10.0  # for the whole head, so that one byte a second does not hold a connection
    body_idle_timeout: float = 30.0
    idle_timeout: float = 75.0  # keep-alive; nginx's figure, above the 60 s of common load balancers
    connect_timeout: float = 5.0
    tls_timeout: float = 5.0
    first_byte_timeout: float = 60.0  # prefill of a long prompt
    stream_idle_timeout: float = 120.0  # between two bytes of a reply
    total_timeout: float = 600.0  # what the official SDKs wait
    write_timeout: float = 30.0  # a reader that takes nothing
    drain_timeout: float = 120.0
    pool_idle_timeout: float = 20.0  # below the 30-60 s after which origins hang up
    pool_max_age: float = 600.0  # so that a moved name is noticed
    pool_max_connections: int = 1024  # per origin and worker
    pool_wait_timeout: float = 5.0
    pool_max_waiting: int = 1024
    max_connections: int = 10_000  # per worker
    heartbeat_timeout: float = 10.0  # a silent worker is replaced
    dns_ttl: float = 30.0
    client_gone: str = "cancel"  # a reply whose client has left: cancel | drain, which reads it to its end


@dataclass(frozen=True, slots=True)
class Remember:
    """What clients come back for: signatures of thoughts, stored responses. A bare word in the file is the store."""

    store: str = "file"  # file: encrypted in the state directory | memory: until the gateway stops | off
    time: float = 6 * 3600.0
    size: int = 8 << 20  # for each worker; the oldest go first


@dataclass(frozen=True, slots=True)
class Journal:
    """The ring and the spill file of each worker: records on their way to the ledger."""

    size: int = 16 << 20  # at 500 bytes an exchange, a minute of 500 requests a second
    spill: int = 4 << 30  # at most this much on disk beside it, while nobody takes the ring's records
    when_full: str = "refuse"  # requests when there is no room at all: refuse (503) | count, which loses records


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows stay, in seconds since they were written."""

    records: float = 30 * 86400.0
    attempts: float = 30 * 86400.0  # the failed tries of a record
    bodies: float = 7 * 86400.0
    minutes: float = 2 * 86400.0  # sums by minute: the last charts of an hour or a day
    hours: float = 400 * 86400.0  # a year and the month to compare it with
    days: float = 400 * 86400.0  # what a key or group used per day; months and totals stay
    history: float = 90 * 86400.0  # published changes, as far back as one can roll back


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where records end up. Its own file or its own PostgreSQL keeps bulk writes away from keys and channels."""

    database: str | None = field(default=None, repr=False)  # None only until `load` has chosen
    retention: Retention = Retention()


@dataclass(frozen=True, slots=True)
class Bodies:
    """Which requests and replies are kept, credentials blotted out. A bare word in the file is `keep`."""

    keep: str = "off"  # off | errors: of exchanges that failed | all
    request_size: int = 64 << 10  # what is longer is cut
    reply_size: int = 64 << 10
    models: tuple[str, ...] = ("*",)  # patterns


@dataclass(frozen=True, slots=True)
class Budget:
    """Money that may be spent in one period."""

    amount: float
    period: str = "monthly"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; None means the same as the bucket that it is part of."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second attempt `after` a percentile ("p95") or a duration ("2s"), for at most this share of requests ("5%")."""

    after: str = "p95"
    budget: str = "5%"


@dataclass(frozen=True, slots=True)
class Channel:
    """One upstream account. `provider` is a catalogue name, or any name when base_url and format are both given."""

    name: str
    provider: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    base_url: str | None = None  # without a trailing slash; None: the catalogue's
    models: tuple[str, ...] = ()  # empty: any model
    rename: Mapping[str, str] = field(default_factory=dict)  # asked for → sent
    weight: int = 1
    priority: int = 0  # higher first
    format: str | None = None  # None: the catalogue's
    sets: tuple[str, ...] = ("default",)
    verify: bool = True
    ca_file: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget: Budget | None = None
    api_version: str | None = None  # Azure's deployment paths, as in ?api-version=2024-10-21
    defaults: Mapping[str, object] = field(default_factory=dict)  # body fields of chat requests that do not say them
    builtin_tools: str = "drop"  # tools that run at another vendor, in translations: drop | map | refuse
    status: str = "enabled"  # enabled | disabled, which takes it out of every route


@dataclass(frozen=True, slots=True)
class Model:
    """A name that clients ask for."""

    name: str
    strategy: str | None = None
    price: Price | None = None
    fallback: tuple[str, ...] = ()
    hedge: Hedge | None = None
    continuation: bool = False
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget: Budget | None = None
    # what translations must know of it, where the catalogue is wrong or silent: {max_output: 8000, thinking: none}
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A tenant."""

    name: str
    models: tuple[str, ...] = ("*",)
    sets: tuple[str, ...] = ("default",)
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget: Budget | None = None
    status: str = "enabled"  # enabled | disabled, which refuses all of its keys


@dataclass(frozen=True, slots=True)
class Key:
    """A credential that a client of ours holds."""

    name: str
    key: str = field(repr=False)
    group: str = "default"
    models: tuple[str, ...] = ("*",)
    subnets: tuple[str, ...] = ()  # empty: from anywhere
    quota: float | None = None  # US dollars, ever
    expires: str | None = None  # ISO 8601 with its offset; the key is refused from then on
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget: Budget | None = None
    lossy: str = "report"  # what a translation that loses something does: report, strict (400), silent
    sets: tuple[str, ...] = ()  # of channels; empty: its group's
    quota_daily: float | None = None  # US dollars in a period of UTC
    quota_weekly: float | None = None
    quota_monthly: float | None = None
    status: str = "enabled"  # enabled | disabled


@dataclass(frozen=True, slots=True)
class Route:
    """One edge proxy rule: what matches goes to `upstream` (http://host, https://host, unix:/path)."""

    host: str | None = None  # lower case; "*.example.com" is any name below it; None: any host
    path: str = "/"  # a prefix
    methods: tuple[str, ...] = ()  # empty: any
    upstream: tuple[str, ...] = ()
    strip_prefix: str | None = None
    add_prefix: str | None = None
    request_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    remove_request_headers: tuple[str, ...] = ()
    response_headers: Mapping[str, str] = field(default_factory=dict)
    remove_response_headers: tuple[str, ...] = ()
    forwarded: str = "append"  # append | replace | off: X-Forwarded-For, -Proto, -Host
    host_header: str = "preserve"  # preserve | upstream
    verify: bool = True
    ca_file: str | None = None
    rate: str | None = None  # "100/s"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one gateway is told. Made by `config.load` only; the reader of each field is master or admin."""

    listen: tuple[Listen, ...]
    admin: Listen | None
    workers: int
    state_dir: str
    node: str | None  # names this gateway among several; a state directory belongs to one
    trusted_proxies: tuple[str, ...]  # whose X-Forwarded-For is believed: networks, "unix:"
    watch: bool  # the file is read again when it changes
    database: str = field(repr=False)
    migrate: bool  # PostgreSQL's tables are brought up to date at start; SQLite's always are
    redis: str | None = field(repr=False)
    passthrough: str  # off | client-keys | require-key
    access_log: str  # off | text | json
    access_log_file: str  # "-" is standard output
    remember: Remember
    journal: Journal
    ledger: Ledger
    bodies: Bodies
    limits: Limits
    channels: tuple[Channel, ...]
    models: tuple[Model, ...]
    groups: tuple[Group, ...]
    keys: tuple[Key, ...]
    routes: tuple[Route, ...]
    plugins: Mapping[str, object] = field(repr=False)
    mcp: Mapping[str, object] = field(repr=False)
    demo: bool
    fetch_urls: bool  # files that requests name by URL, for upstreams that need their bytes
    tokenizer: str  # lazy: loaded by the first count of a worker | preload: by the master | off: counted by letters
    pin: bool
    master_key: str | None = field(repr=False)  # None: the file of the state directory
    origins: Mapping[str, str] = field(repr=False)  # dotted setting → Place.origin; what is absent is a default
