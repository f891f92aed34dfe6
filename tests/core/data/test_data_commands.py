"""`world4rl data info|check|view`."""

import json
import re
import shutil

import av
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lerobot_layout import make_episodes, write
from PIL import Image

from world4rl_core.data.check import check
from world4rl_core.data.info import info
from world4rl_core.data.synthetic import synthetic_episode
from world4rl_core.data.video import count_frames, encode_video
from world4rl_core.data.view import view
from world4rl_core.errors import DataError


def test_info_counts_episodes_by_source_and_outcome(dataset):
    text = info(dataset)
    assert "LeRobotDataset v3.0" in text and "6 episodes, 78 rows (13 rows each) at 10 fps" in text
    assert "front 16x16 image, side 16x16 image" in text and "action 4, state 2" in text
    header, expert, random = (line.split() for line in text.splitlines()[-3:])
    assert header == ["task", "source", "episodes", "success", "timeout"]
    assert expert[-4:] == ["expert", "3", "3", "0"] and random[-4:] == ["random", "3", "0", "3"]


def test_info_tells_what_was_set_aside(copy):
    (copy / ".quarantine/episode-000006").mkdir(parents=True)
    assert "1 quarantined in .quarantine/" in info(copy)


def test_view_writes_a_sheet_and_a_film(dataset, films, tmp_path):
    sheet, film = view(dataset, episode=2, out=tmp_path / "view")
    assert (sheet.name, film.name) == ("square-000002.png", "square-000002.mp4")
    assert Image.open(sheet).size == (6 * 192, 14 + 3 * (96 + 14))
    assert count_frames(film) == 13
    with av.open(str(film)) as container:
        assert (container.streams.video[0].height, container.streams.video[0].width) == (96, 192)
    sheet, film = view(films, out=tmp_path / "view")
    assert Image.open(sheet).size[0] == 6 * 256 and count_frames(film) == 7


def test_view_refuses_an_unknown_episode_and_a_file_as_folder(dataset, tmp_path):
    with pytest.raises(DataError, match="no episode 9; it has episodes 0 to 5"):
        view(dataset, episode=9, out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the view"):
        view(dataset, episode=0, out=tmp_path / "file")


def test_datasets_without_faults_have_no_problems(dataset, films):
    assert check(dataset) == [] and check(films) == []


def test_check_refuses_what_is_no_dataset(tmp_path):
    with pytest.raises(DataError, match="not a LeRobot dataset"):
        check(tmp_path)


def rewrite(root, column: str, change) -> None:
    path = root / "data/chunk-000/file-002.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    changed = pa.array(change(table.column(column).to_pylist()), table.schema.field(column).type)
    pq.write_table(table.set_column(place, column, changed), path)


def with_value(row: int, value):
    return lambda values: [*values[:row], value, *values[row + 1 :]]


def edit(root, name: str, **changes) -> None:
    path = root / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: rewrite(root, "frame_index", with_value(4, 7)), "episode 2: frame_index is 7 at row 4, wanted 4"),
        (lambda root: rewrite(root, "index", with_value(0, 0)), "episode 2: index is 0 at row 0, wanted 26"),
        (lambda root: rewrite(root, "timestamp", with_value(3, 0.31)), "timestamp is 0.31 at row 3, wanted 0.3"),
        (lambda root: rewrite(root, "task_index", with_value(3, 4)), "task_index reaches 4, meta/tasks.parquet has 1"),
        (
            lambda root: rewrite(root, "action", with_value(5, [float("nan"), 0, 0, 0])),
            "action is NaN or infinite at row 5",
        ),
        (
            lambda root: rewrite(root, "action", with_value(5, [1.25, 0, 0, 0])),
            r"episode 2: action is 1.25 at row 5.*\[-1, 1\]",
        ),
        (lambda root: rewrite(root, "action", with_value(5, [0.9, 0, 0, 0])), "stats.json: mean of 'action' is"),
        (
            lambda root: rewrite(root, "action", with_value(12, [0.9, 0, 0, 0])),
            "episode 2: action of the last row is not zero",
        ),
        (lambda root: edit(root, "meta/info.json", total_frames=77), "total_frames is 77, the episodes add up to 78"),
        (lambda root: edit(root, "meta/info.json", total_tasks=3), "total_tasks is 3, meta/tasks.parquet has 1"),
        (lambda root: (root / "meta/stats.json").unlink(), "stats.json: cannot be read"),
        (lambda root: edit(root, "meta/stats.json", action={}), "count of 'action' is absent"),
        (
            lambda root: (root / "data/chunk-000/file-002.parquet").unlink(),
            "file-002.parquet: is missing, but an episode",
        ),
        (lambda root: (root / "data/chunk-000/file-002.parquet").write_bytes(b"x"), "episode 2: .*damaged data file"),
        (
            lambda root: shutil.copy(
                root / "data/chunk-000/file-000.parquet", root / "data/chunk-000/file-100.parquet"
            ),
            "data/chunk-000/file-100.parquet: no counted episode refers to this file",
        ),
        (lambda root: (root / "meta/episodes/chunk-000/file-003.parquet").unlink(), "lacks or repeats episode 3"),
        (
            lambda root: (root / "meta/episodes/chunk-000/file-003.parquet").write_bytes(b"x"),
            "damaged episode metadata",
        ),
        (lambda root: edit(root, "meta/info.json", fps=20), "episode 0: timestamp is 0.1 at row 1, wanted 0.05"),
    ],
)
def test_check_finds_each_fault(copy, damage, message):
    damage(copy)
    problems = "\n".join(map(str, check(copy)))
    assert re.search(message, problems), problems


def test_check_finds_a_video_with_another_number_of_frames(films, tmp_path):
    root = shutil.copytree(films, tmp_path / "films")
    folder = root / "videos/observation.images.front/chunk-000"
    longer = tmp_path / "longer.mp4"
    encode_video(longer, synthetic_episode(seed=1, size=258, steps=8).images["front"], fps=10)
    shutil.copy(longer, folder / "file-001.mp4")
    assert [str(problem) for problem in check(root)] == [
        "videos/observation.images.front/chunk-000/file-001.mp4: 9 frames decode, its episodes have 7 rows"
    ]


def test_check_of_a_dataset_that_lerobot_wrote_complains_about_missing_statistics_only(tmp_path):
    root = write(tmp_path, make_episodes(), images="video")
    assert [problem.where for problem in check(root)] == ["meta/stats.json"]
