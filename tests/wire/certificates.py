"""Certificates of a private authority, written where the wire's contexts can load them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Certificate:
    cert: str
    key: str


class Authority:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        end = LONG_AGO + datetime.timedelta(days=30) if expired else None
        issued = self._ca.issue_cert(*names, not_before=LONG_AGO, not_after=end)
        stem = self.folder / f"{names[0]}{'-expired' if expired else ''}"
        issued.private_key_pem.write_to_path(f"{stem}.key")
        for place, pem in enumerate(issued.cert_chain_pems):
            pem.write_to_path(f"{stem}.pem", append=place > 0)
        return Certificate(f"{stem}.pem", f"{stem}.key")
