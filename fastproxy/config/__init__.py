"""Settings: what an operator says, from file, environment and flags, as one frozen object.

assemble.py  precedence and assembly         types.py     the shapes
flags.py     flags and FASTPROXY_ variables  file.py      the YAML file; schema.py what may stand in it
checks.py    what must fit together          report.py    what `check` prints
"""

from fastproxy.config.assemble import load
from fastproxy.config.flags import FLAGS, Flag
from fastproxy.config.report import describe, unenforced, warnings
from fastproxy.config.types import (
    FORMATS,
    Bodies,
    Budget,
    Channel,
    Group,
    Hedge,
    Journal,
    Key,
    Ledger,
    Limits,
    Listen,
    Model,
    Place,
    Price,
    Remember,
    Retention,
    Route,
    Settings,
    Tls,
    VendorEnv,
)

__all__ = [
    "FLAGS",
    "FORMATS",
    "Bodies",
    "Budget",
    "Channel",
    "Flag",
    "Group",
    "Hedge",
    "Journal",
    "Key",
    "Ledger",
    "Limits",
    "Listen",
    "Model",
    "Place",
    "Price",
    "Remember",
    "Retention",
    "Route",
    "Settings",
    "Tls",
    "VendorEnv",
    "describe",
    "load",
    "unenforced",
    "warnings",
]
