"""The report of a whole run, from complete, partial and damaged run folders."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from synthetic_oracle import record

from world4rl_core.errors import DataError
from world4rl_core.evaluation import figures, video
from world4rl_core.evaluation.outcome_log import EpisodeOutcome
from world4rl_core.evaluation.page import write_json
from world4rl_core.evaluation.real import summarise
from world4rl_core.evaluation.report import Folders, collection, write_report
from world4rl_core.evaluation.run_log import last_of, line_of, read_log
from world4rl_core.sim.metaworld import MetaWorldConfig

NOW = datetime(2025, 1, 2, tzinfo=UTC)


def write_log(folder: Path, **keys: float) -> Path:
    """A log whose values rise from 0 to the given ones in ten steps."""
    folder.mkdir(parents=True)
    rows = [{"step": step, **{key: value * step / 9 for key, value in keys.items()}} for step in range(10)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_evaluation(folder: Path, *, gained: int = 30, lost: int = 3) -> Path:
    outcomes = []
    for episode in range(100):
        cloned = episode < 50
        refined = cloned if episode >= 50 + gained or lost <= episode < 50 else not cloned
        success = {"cloned": cloned, "refined": refined}
        outcomes.append(EpisodeOutcome(episode, episode, success, {"cloned": 9, "refined": 9}))
    summary = summarise(outcomes, ["cloned", "refined"], simulator=MetaWorldConfig(), seed=0)
    write_json(folder / "evaluation.json", summary)
    film = np.random.default_rng(0).integers(0, 255, (8, 24, 24, 3)).astype(np.uint8)
    video.write_mp4(folder / "films" / "00000.mp4", video.side_by_side({"cloned": film, "refined": film}), fps=8)
    return folder


def write_trust(folder: Path) -> Path:
    policy = {"true_success": 12, "false_success": 1, "false_failure": 2, "true_failure": 15}
    write_json(folder / "trust.json", {"go": True, "reasons": ["outcomes agree"], "outcomes": {"policy": policy}})
    film = np.full((6, 24, 24, 3), 90, dtype=np.uint8)
    video.write_png(folder / "films" / "00003.png", video.comparison_strip(film, film, fps=10, title="episode 3"))
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    record(tmp_path / "policy", episodes=6)
    return Folders(
        datasets=(tmp_path / "policy", tmp_path / "not-collected-yet"),
        clone=write_log(tmp_path / "clone", loss=0.02, held_out_loss=0.03),
        world_model=write_log(tmp_path / "world-model", loss=0.1, grad_norm=1.0, lr=5e-4),
        reward=write_log(tmp_path / "reward", loss=0.3, threshold=0.6, imagined_agreement=0.9),
        trust=write_trust(tmp_path / "trust"),
        refined=write_log(tmp_path / "refined", imagined_success=0.8, kl_clone=0.05, uncertainty=0.02),
        evaluation=write_evaluation(tmp_path / "evaluation"),
    )


def test_report_shows_every_part_and_needs_nothing_else(folders: Folders, tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", folders, title="faucet-open-v3, seed 0", now=NOW)
    html = path.read_text()
    for part in ("result", "evaluation", "collection", "cloning", "world-model", "reward", "trust", "refinement"):
        assert f'id="{part}"' in html
    assert 'id="missing"' not in html
    assert "refined succeeds more often than cloned: +27.0 points" in html
    assert "30 fixed, 3 broken" in html
    assert "2025-01-02" in html
    assert re.findall(r'(?:src|href)="(?!data:)', html) == []


def test_report_of_an_unfinished_run_says_what_is_missing(folders: Folders, tmp_path: Path) -> None:
    partial = Folders(clone=folders.clone, world_model=tmp_path / "nowhere")
    html = write_report(tmp_path / "partial.html", partial, title="half a run", now=NOW).read_text()
    assert "Not there yet: collected, world model, reward, refinement, trust, evaluation." in html
    assert 'id="cloning"' in html


@pytest.mark.parametrize(
    ("gained", "lost", "sentence"),
    [(30, 3, "succeeds more often"), (3, 30, "succeeds less often"), (5, 4, "cannot be told apart")],
)
def test_report_claims_only_what_the_interval_allows(tmp_path: Path, gained: int, lost: int, sentence: str) -> None:
    folders = Folders(evaluation=write_evaluation(tmp_path / "evaluation", gained=gained, lost=lost))
    assert sentence in write_report(tmp_path / "report.html", folders, title="run", now=NOW).read_text()


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    html = write_report(tmp_path / "report.html", Folders(), title="<script>alert(1)</script>", now=NOW).read_text()
    assert "<script>" not in html


def test_collection_counts_each_source(folders: Folders) -> None:
    counted = {item.source: item for item in collection(folders.datasets)}
    assert counted["policy"].episodes == 4
    assert counted["random"].transitions == 2 * 12


def test_damaged_parts_are_named(folders: Folders, tmp_path: Path) -> None:
    assert folders.trust is not None
    assert folders.clone is not None
    (folders.trust / "trust.json").write_text("{")
    with pytest.raises(DataError, match=r"trust\.json: damaged"):
        write_report(tmp_path / "report.html", folders, title="run", now=NOW)
    (folders.clone / "log.jsonl").write_text('{"loss": 1}\n')
    with pytest.raises(DataError, match="line 1: not a logged step"):
        read_log(folders.clone)


def test_log_is_read_up_to_its_unfinished_line(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "run", loss=9.0)
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"step": 10, "loss": NaN, "held_out": 1}\n{"step": 11, "lo')
    rows = read_log(folder)
    assert len(rows) == 11
    assert line_of(rows, "loss") == ([float(step) for step in range(10)], [float(step) for step in range(10)])
    assert last_of(rows)["held_out"] == 1


def test_figures_of_one_point_can_be_drawn() -> None:
    assert figures.curves({"loss": {"": ([1.0], [2.0])}}, xlabel="step").startswith(b"\x89PNG")
    assert figures.uncertainty([0.0, 0.1], [0.2, 0.2]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_report_opens_in_a_browser(folders: Folders, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium installed; `apt install chromium` to check how the report renders")
    path = write_report(tmp_path / "report.html", folders, title="faucet-open-v3, seed 0", now=NOW)
    picture = tmp_path / "report.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1240,3600"]
    command = [browser, *options, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", path.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = np.asarray(Pillow.open(picture).convert("RGB"))
    assert pixels.shape[1] == 1240
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500  # figures and films are drawn, not empty boxes
