"""The report of a session opens in a browser without a network: figures are drawn and films can be played."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from world4rl_core.evaluation.session import summarise
from world4rl_core.evaluation.session_report import write_page
from world4rl_core.runtime.trial_record import read_session

sys.path.insert(0, str(Path(__file__).parent.parent / "core" / "trial"))

from played import play

PROBE = """<script>
const told = () => {
  const broken = [...document.images].filter(image => !image.naturalWidth).length;
  const films = [...document.querySelectorAll("video")].filter(film => film.readyState > 0 && film.videoWidth).length;
  document.title = `images ${document.images.length} broken ${broken} films ${films}`;
};
addEventListener("load", () => { told(); setInterval(told, 100); });
</script>"""


@pytest.mark.slow
def test_the_page_opens_in_chromium(tmp_path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium installed; `apt install chromium` to check how the report renders")
    recorded = read_session(play(tmp_path / "session"))
    path = write_page(tmp_path / "page.html", recorded, summarise(recorded), now=datetime(2025, 1, 2, tzinfo=UTC))
    path.write_text(path.read_text() + PROBE)
    picture = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1240,3200",
               f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=6000"]  # fmt: skip
    seen = subprocess.run(
        [browser, *options, "--dump-dom", path.as_uri()], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert "<title>images 2 broken 0 films 20</title>" in seen, seen[:400]
    command = [browser, *options, f"--screenshot={picture}", path.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pixels = np.asarray(Pillow.open(picture).convert("RGB"))
    assert pixels.shape[1] == 1240
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
