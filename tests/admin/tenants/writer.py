"""A process of its own that changes things until it is killed: `python -m tests.admin.tenants.writer URL NAME COUNT`.

Prints a line after each commit that it knows of.
"""

from __future__ import annotations

import sys

from fastproxy.admin.tenants import Terms
from tests.admin.tenants.office import Office


def main(url: str, name: str, count: int) -> None:
    with Office(url) as office:
        for number in range(count):
            group = f"{name}-{number}"
            made = office.make("keys", "ci", Terms(name, create_group=True), group=group)
            sys.stdout.write(f"{made.revision} {group}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
