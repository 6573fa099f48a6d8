"""What tests share: the bundled model, third-party data where it is at hand, and a home of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from her.models.base import Model

pytest_plugins = ["fixtures_hf"]

# llama.cpp's threads wait for each other by spinning: on a machine with other work two are far slower than one.
os.environ.setdefault("HER_THREADS", "1")

settings.register_profile("fast", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HER_HYPOTHESIS", "fast"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Full-length bars run only when asked for: `pytest -m long`, or `make test-long`."""
    if "long" in (config.getoption("-m") or ""):
        return
    skip = pytest.mark.skip(reason="a full-length bar; run `make test-long`")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Chats, keys and settings of a test never touch the person's own; the model's cache is shared."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HER_HOME", str(home))
    for name in ("HER_MODEL", "OPENAI_API_KEY", "HER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def her_data() -> Path:
    """The folder of third-party data, or a skip that names the variable."""
    folder = os.environ.get("HER_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HER_DATA is not set to a folder of third-party data")
    return Path(folder)


@pytest.fixture(scope="session")
def mini_path() -> Path:
    """The bundled model's GGUF, fetched once and checked."""
    from her.models.weights import pull

    return pull()


@pytest.fixture(scope="session")
def mini(mini_path: Path) -> Iterator[Model]:
    """The embedded engine on the bundled model without its adapter, one for the whole run."""
    from her.models.embedded import Embedded

    model = Embedded(mini_path, address="mini-base")
    yield model
    asyncio.run(model.close())
