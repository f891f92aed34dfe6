"""What every test shares: shapes and types of the core are checked while the tests run, and golden arrays."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# The numeric tower: an int is a float, as it is everywhere else in Python.
install_import_hook("world4rl_core", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# No time limit for a single example: what is imported or compiled on first use would fail it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="run the golden tests only, and let them write")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--rewrite-golden"):
        items[:] = [item for item in items if "golden" in getattr(item, "fixturenames", ())]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`golden("name", loss=losses)` compares arrays with tests/golden/name.npz, which `make golden` writes."""

    def compare(name: str, *, rtol: float = 1e-4, atol: float = 1e-6, **arrays: np.ndarray) -> None:
        path = GOLDEN / f"{name}.npz"
        if request.config.getoption("--rewrite-golden"):
            GOLDEN.mkdir(exist_ok=True)
            np.savez_compressed(path, **arrays)
        assert path.exists(), f"{path} is missing; `make golden` writes it"
        expected = np.load(path)
        assert sorted(expected) == sorted(arrays)
        for key, array in arrays.items():
            np.testing.assert_allclose(array, expected[key], rtol=rtol, atol=atol, err_msg=f"{name}: {key}")

    return compare
