"""The cell that tests of one file share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nodes, franky-sim and their clocks: everything here runs against real time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.realtime)


@pytest.fixture(scope="module")
def shared_cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Cell"]:  # noqa: F821
    """Simulation and arm node, started once for all tests of a file."""
    from cell import Cell

    with Cell(tmp_path_factory.mktemp("cell")) as cell:
        yield cell


@pytest.fixture
def client(shared_cell: "Cell") -> Iterator["Client"]:  # noqa: F821
    """The operator of the shared cell: armed, at home, neutral."""
    shared_cell.client.get_ready()
    yield shared_cell.client
    shared_cell.client.let_go()
