"""Each way a dataset or an episode can be unfit has its own message."""

import dataclasses
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from world4rl_core.data.cache import FrameCache
from world4rl_core.data.reader import DatasetReader
from world4rl_core.data.synthetic import synthetic_episode, write_synthetic_dataset
from world4rl_core.data.writer import DatasetWriter
from world4rl_core.errors import DataError

ROWS = 13


def changed_at(name: str, place, value) -> np.ndarray:
    values = getattr(synthetic_episode(seed=0), name).copy()
    values[place] = value
    return values


def cut_to(rows: int):
    episode = synthetic_episode(seed=0)
    names = ("state", "action", "requested", "next_reward", "next_success")
    arrays = {name: getattr(episode, name)[:rows] for name in names}
    return dataclasses.replace(episode, images={"front": episode.images["front"][:rows]}, **arrays)


def with_field(**fields):
    return lambda: dataclasses.replace(synthetic_episode(seed=0), **fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_field(images={}), "at least one camera"),
        (
            with_field(images={"front": np.zeros((ROWS, 8, 8, 3), np.float32)}),
            "'front': frames must be uint8.*got float32",
        ),
        (with_field(images={"front": np.zeros((ROWS, 8, 8, 1), np.uint8)}), r"\(rows, h, w, 3\).*\(13, 8, 8, 1\)"),
        (with_field(images={"front": np.zeros((5, 8, 8, 3), np.uint8)}), "has 5 frames, the state has 13 rows"),
        (with_field(state=np.zeros((ROWS, 2))), "state must be float32.*got float64"),
        (with_field(next_success=np.zeros(ROWS, np.float32)), "next_success must be bool"),
        (with_field(action=changed_at("action", (3, 1), np.nan)), "action is not a finite number.*at row 3"),
        (with_field(state=changed_at("state", (2, 0), np.inf)), "state is not a finite number.*at row 2"),
        (
            with_field(action=changed_at("action", (4, 0), -1.5)),
            r"action is -1.5 at row 4, dimension 0; wanted \[-1, 1\]",
        ),
        (with_field(requested=changed_at("requested", (4, 0), 2)), "requested is 2 at row 4"),
        (with_field(action=changed_at("action", (-1, 0), 0.5)), "last row has no following frame"),
        (with_field(next_reward=changed_at("next_reward", -1, 9)), "last row of next_reward must repeat"),
        (with_field(requested=np.zeros((ROWS, 2), np.float32)), "must have the same shape"),
        (with_field(terminated=True, truncated=True), "terminated or truncated, not both"),
        (with_field(source="robot"), "unknown source 'robot'; known sources: expert, policy, random, human"),
        (with_field(outcome="won"), "unknown outcome 'won'; known outcomes: success.*aborted:<why>"),
        (with_field(outcome="aborted:"), "unknown outcome 'aborted:'"),
        (with_field(task=""), "needs a task in words"),
        (
            lambda: dataclasses.replace(synthetic_episode(seed=1), outcome="success"),
            "outcome is 'success', but next_success is False",
        ),
        (lambda: cut_to(1), "at least 2 rows"),
    ],
)
def test_an_episode_that_is_wrong_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def edit_info(root, **changes):
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no such dataset folder"),
        (lambda root: (root / "meta/info.json").unlink(), "not a LeRobot dataset, meta/info.json is missing"),
        (lambda root: (root / "meta/info.json").write_text('{"fps": 10'), "info.json: cannot be read"),
        (lambda root: (root / "meta/info.json").write_text("[]"), "wanted a JSON object"),
        (lambda root: edit_info(root, codebase_version="v2.1"), "codebase_version is v2.1, wanted v3.x; convert"),
        (lambda root: edit_info(root, total_episodes=0), "has no episodes; record some"),
        (lambda root: edit_info(root, total_episodes=9), "counts 9 episodes, meta/episodes lacks or repeats episode 6"),
        (lambda root: edit_info(root, fps=0), "fps must be positive"),
        (lambda root: edit_info(root, features=None), "'features' is missing or malformed"),
        (
            lambda root: edit_info(root, features={"action": {"dtype": "float32", "shape": [4]}}),
            "no RGB image or video",
        ),
        (
            lambda root: edit_info(root, features={"observation.images.a": {"dtype": "image", "shape": [8, 8, 3]}}),
            "no 'action'",
        ),
        (lambda root: edit_info(root, features={"action": {"dtype": "float32"}}), "'action' needs a dtype and a shape"),
        (
            lambda root: (root / "meta/episodes/chunk-000/file-002.parquet").write_bytes(b"x"),
            "damaged episode metadata",
        ),
        (lambda root: (root / "data/chunk-000/file-002.parquet").write_bytes(b"x"), "episode 2: .*damaged data file"),
        (lambda root: (root / "data/chunk-000/file-002.parquet").unlink(), "file-002.parquet is missing"),
        (lambda root: _rewrite(root, 2, lambda t: t.slice(0, 9)), "has 9 rows of the episode, its metadata says 13"),
        (lambda root: _rewrite(root, 2, lambda t: t.drop_columns(["action"])), "has no column 'action'"),
        (lambda root: _rewrite(root, 2, _with_nan), "episode 2: action is not a finite number.*at row 3"),
        (lambda root: _rewrite(root, 2, _with_bad_image), "the image of row 3 cannot be read"),
        (
            lambda root: shutil.copy(
                root / "data/chunk-000/file-001.parquet", root / "data/chunk-000/file-002.parquet"
            ),
            "rows of another episode",
        ),
    ],
)
def test_a_dataset_that_is_wrong_is_refused(copy, damage, message):
    damage(copy)
    with pytest.raises(DataError, match=message):
        list(DatasetReader(copy).episodes())


def _rewrite(root, index, change):
    path = root / f"data/chunk-000/file-{index:03d}.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def _with_nan(table: pa.Table) -> pa.Table:
    values = table.column("action").combine_chunks().flatten().to_numpy().copy()
    values[3 * 4] = np.nan
    column = pa.FixedSizeListArray.from_arrays(pa.array(values), 4)
    return table.set_column(table.column_names.index("action"), "action", column)


def _with_bad_image(table: pa.Table) -> pa.Table:
    cells = table.column("observation.images.side").to_pylist()
    cells[3]["bytes"] = cells[3]["bytes"][:40]
    place = table.column_names.index("observation.images.side")
    return table.set_column(place, "observation.images.side", pa.array(cells, table.schema.field(place).type))


def test_a_video_that_is_cut_or_missing_is_refused(films, tmp_path):
    root = shutil.copytree(films, tmp_path / "films")
    path = root / "videos/observation.images.front/chunk-000/file-001.mp4"
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(DataError, match=r"episode 1: .*file-001.mp4"):
        DatasetReader(root).episode(1)
    shutil.copy(root / "videos/observation.images.front/chunk-000/file-000.mp4", path)
    DatasetReader(root).episode(1)
    path.unlink()
    with pytest.raises(DataError, match="cannot open the video.*restore the file"):
        DatasetReader(root).episode(1)


def test_unknown_names_are_answered_with_the_known_ones(dataset):
    reader = DatasetReader(dataset)
    with pytest.raises(DataError, match="no camera 'top'; its cameras are front, side"):
        reader.episode(0, cameras=["top"])
    with pytest.raises(DataError, match="no episode 6; it has episodes 0 to 5"):
        reader.episode(6)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"fps": 20}, "has 20 fps, .* has 10; train on one rate"),
        ({"action_dim": 2}, "has 2 action dimensions, .* has 4; train on one robot"),
        ({"cameras": ("top",)}, "no camera 'front'; its cameras are top"),
        ({"size": 20}, "differ in frame size; set one size for all"),
    ],
)
def test_datasets_that_do_not_fit_together_are_refused(tmp_path, dataset, other, message):
    second = write_synthetic_dataset(tmp_path / "second", 1, **other)
    with pytest.raises(DataError, match=message):
        FrameCache.build([dataset, second], cameras=["front"], directory=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_cache_needs_a_dataset_a_camera_and_a_size(tmp_path, dataset):
    with pytest.raises(DataError, match="no dataset folder was given"):
        FrameCache.build([])
    with pytest.raises(DataError, match="no camera was chosen"):
        FrameCache.build([dataset], cameras=[], directory=tmp_path)
    with pytest.raises(DataError, match="size must be a positive"):
        FrameCache.build([dataset], size=(0, 8), directory=tmp_path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"cameras": ("front",)}, "feature 'observation.images.side' of the new episode is absent"),
        ({"size": 8}, r"is image \(8, 8, 3\), the dataset has image \(16, 16, 3\)"),
        ({"action_dim": 3}, r"feature 'action' of the new episode is float32 \(3,\), the dataset has float32 \(4,\)"),
    ],
)
def test_an_episode_of_another_shape_is_refused_and_nothing_changes(copy, shape, message):
    before = DatasetReader(copy).content_hash()
    with DatasetWriter.open(copy) as writer, pytest.raises(DataError, match=message):
        writer.add(synthetic_episode(seed=6, **({"cameras": ("front", "side")} | shape)))
    assert DatasetReader(copy).content_hash() == before


def test_the_writer_refuses_a_folder_in_use(copy, tmp_path):
    with pytest.raises(DataError, match="already holds a dataset; resume it"):
        DatasetWriter.create(copy, fps=10, robot_type="test")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("")
    with pytest.raises(DataError, match="exists and is not an empty folder"):
        DatasetWriter.create(tmp_path / "full", fps=10, robot_type="test")
    with pytest.raises(DataError, match="no such dataset folder"):
        DatasetWriter.open(tmp_path / "none")
    with pytest.raises(DataError, match="fps must be a whole number"):
        DatasetWriter.create(tmp_path / "new", fps=0, robot_type="test")


def test_two_writers_cannot_share_a_dataset(copy):
    with DatasetWriter.open(copy) as first:
        with pytest.raises(DataError, match="another process is recording"):
            DatasetWriter.open(copy)
        first.close()
        with pytest.raises(DataError, match="the writer is closed"):
            first.add(synthetic_episode(seed=6))
        DatasetWriter.open(copy).close()


def test_video_of_an_odd_size_is_refused(tmp_path):
    writer = DatasetWriter.create(tmp_path / "d", fps=10, robot_type="test")
    with pytest.raises(DataError, match="even height and width, got 259x259"):
        writer.add(synthetic_episode(seed=0, size=259))
    writer.close()
