"""What the service refuses, as the admin API and the command line tell it.

    Refusal ─┬─ NotFound      404   there is no such object, or revision
             ├─ Conflict      409   kind duplicate | version | in_use | managed_by_file | pruned
             ├─ Invalid       422   kind invalid; `fields` names what is wrong, by its path
             └─ Unavailable   503   the database is away, or sealed under another master key

No text here ever repeats a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    Field = dict[str, str]

MOST_FIELDS: Final = 50  # one refusal tells at most so many faults


class Refusal(Exception):
    """`fields`: [{"path": "models[0]", "message": "…"}]."""

    status = 500

    def __init__(self, kind: str, message: str, fields: Iterable[Field] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.fields = list(fields)[:MOST_FIELDS]


class NotFound(Refusal):
    status = 404

    def __init__(self, message: str) -> None:
        super().__init__("not_found", message)


class Conflict(Refusal):
    status = 409


class Invalid(Refusal):
    status = 422

    def __init__(self, fields: Iterable[Field], count: int = 0) -> None:
        """`count`: of all that is wrong, where `fields` are only the first."""
        found = list(fields)
        first = found[0] if found else {"path": "", "message": "the document is not valid"}
        count = max(count, len(found))
        more = f" (and {count - 1} more)" if count > 1 else ""
        place = f"{first['path']}: " if first["path"] else ""
        super().__init__("invalid", f"{place}{first['message']}{more}", found)


class Unavailable(Refusal):
    """Nothing is known of the outcome of a change that ends so while it was being committed."""

    status = 503

    def __init__(self, message: str) -> None:
        super().__init__("database_unavailable", message)


def invalid(path: str, message: str) -> Invalid:
    """One field is wrong."""
    return Invalid([{"path": path, "message": message}])
