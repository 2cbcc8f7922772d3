"""Any format to any other, with the Vercel AI SDK on Node: text, streams, tool loops, objects, over all 16 pairs.

One Node process holds all conversations (node/pairs.mjs) and says of each whether it went well. `make test`
installs Node and npm; where they are missing the tests fail and say so.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from itertools import product
from typing import Final

import pytest

from bench.peers import installed
from tests.live import node_sdks
from tests.live.pairs import CLIENT_KEY, staged
from tests.live.strict.vendor import FORMATS
from tests.live.talk.scenes import png

pytestmark = [pytest.mark.live, pytest.mark.timeout(node_sdks.INSTALL_S + 60)]
RUN_S: Final = 120
PAIRS: Final = [*product(FORMATS, FORMATS)]
_LIST: Final = (node_sdks.SOURCES / "pairs.mjs").read_text(encoding="utf-8").partition("const SCENES = {")[2]
SCENES: Final = re.findall(r"^  (?:'([^']+)'|(\w+)): (?:async|loop)", _LIST, re.MULTILINE)
Outcomes = dict[tuple[str, str, str], str | None]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    folder = node_sdks.install()  # `make test` has installed Node and npm; without them this fails
    with staged(tmp_path_factory.mktemp("node")) as stage:
        picture = base64.b64encode(png(31, 17)).decode()
        done = subprocess.run(
            [installed.debian("node"), "pairs.mjs", stage.gateway.url, CLIENT_KEY, picture],
            cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(row["client"], row["upstream"], row["scene"]): row["error"] for row in rows}


@pytest.mark.parametrize("scene", [quoted or bare for quoted, bare in SCENES])
@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=lambda name: name)
def test_scene(outcomes: Outcomes, client: str, upstream: str, scene: str) -> None:
    assert outcomes[client, upstream, scene] is None


def test_all_that_was_played_is_named(outcomes: Outcomes) -> None:
    assert outcomes.keys() == {(*pair, quoted or bare) for pair in PAIRS for quoted, bare in SCENES}
