"""The ChArUco board: how it is made, found in a picture, and what is wrong where it is not found."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from world4rl_core.calibration.opencv import cv2
from world4rl_core.errors import CalibrationError, ConfigError
from world4rl_core.optics import Intrinsics

LEAST_SHARE = 0.5
"""Share of the board's corners that a picture must show."""
LEAST_FOREIGN = 2
"""So many markers of another board are no misreading."""
BLUR_PX = 1.5
"""Corners lie closer than this (RMS) to where a sharp picture and right intrinsics put them."""
DICTIONARIES = tuple(f"DICT_{bits}X{bits}_{count}" for bits in (4, 5, 6, 7) for count in (50, 100, 250, 1000))


@dataclass(frozen=True)
class Board:
    """A printed ChArUco board; the default fits A4 and Letter.

    Its frame has its origin in the top left corner, x right, y down, z into the paper.
    """

    columns: int = 7
    rows: int = 5
    square_m: float = 0.040
    marker_m: float = 0.030
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        if self.columns < 4 or self.rows < 4 or not 0 < self.marker_m < self.square_m:
            raise ConfigError(
                f"board of {self.columns} x {self.rows} squares of {self.square_m} m with markers of {self.marker_m} "
                "m: "
                "wanted at least 4 x 4 squares and markers smaller than the squares"
            )
        if self.dictionary not in DICTIONARIES:
            raise ConfigError(f"unknown dictionary {self.dictionary!r}; known: {', '.join(DICTIONARIES)}")

    @property
    def points_m(self) -> np.ndarray:
        """Corners between squares (n, 3) in the board's frame; the row is the corner's id."""
        return np.asarray(_opencv_board(self).getChessboardCorners(), dtype=float)

    @property
    def width_m(self) -> float:
        return self.columns * self.square_m

    @property
    def height_m(self) -> float:
        return self.rows * self.square_m

    @property
    def corner_count(self) -> int:
        return (self.columns - 1) * (self.rows - 1)

    @property
    def cell_m(self) -> float:
        """Side of a marker's smallest square, which a picture must resolve."""
        return self.marker_m / (int(self.dictionary.split("_")[1].split("X")[0]) + 2)

    @property
    def outline_m(self) -> np.ndarray:
        """The four corners (4, 3) of the squares' outer edge, clockwise from the top left."""
        right, bottom = self.width_m, self.height_m
        return np.array([[0, 0, 0], [right, 0, 0], [right, bottom, 0], [0, bottom, 0]], dtype=float)

    def picture(self, pixels_per_square: int = 100, *, margin_px: int = 0) -> np.ndarray:
        """The board as a grey image, uint8 (h, w), to be printed or rendered."""
        size = (self.columns * pixels_per_square, self.rows * pixels_per_square)
        image = _opencv_board(self).generateImage(size, marginSize=0)
        return np.pad(image, margin_px, constant_values=255)


def read_board(text: str) -> Board:
    """A board from "columns x rows x square mm x marker mm x dictionary", as `7x5x40x30xDICT_4X4_50`.

    Raises ConfigError.
    """
    words = text.split("x", 4)
    try:
        columns, rows, square_mm, marker_mm, dictionary = words
        return Board(int(columns), int(rows), float(square_mm) / 1000, float(marker_mm) / 1000, dictionary)
    except ValueError as error:
        raise ConfigError(
            f"board {text!r}: wanted columns x rows x square in mm x marker in mm x dictionary, as in "
            "7x5x40x30xDICT_4X4_50"
        ) from error


@dataclass(frozen=True, eq=False)
class Detection:
    """The corners of a board that one picture shows."""

    corners_px: np.ndarray  # (n, 2) float64, x right, y down, pixel (0, 0) is the first one's centre
    ids: np.ndarray  # (n,) int
    width: int
    height: int


def find_board(image: np.ndarray, board: Board, *, least_share: float = LEAST_SHARE) -> Detection:
    """The board's corners in a uint8 picture, RGB (h, w, 3) or grey (h, w).

    Raises CalibrationError with the reason: wrong_board, mirrored, hidden or no_board.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    corners, ids, marker_corners, marker_ids = _detector(board).detectBoard(grey)
    marker_ids = np.zeros(0, int) if marker_ids is None else np.asarray(marker_ids).reshape(-1)
    found = 0 if ids is None else len(ids)
    _refuse_other_layout(board, marker_corners, marker_ids)
    if found < max(6, least_share * board.corner_count):
        _say_why(grey, board, found, len(marker_ids))
    height, width = grey.shape
    return Detection(
        np.asarray(corners, dtype=float).reshape(-1, 2), np.asarray(ids, dtype=int).reshape(-1), width, height
    )


def board_pose(detection: Detection, board: Board, intrinsics: Intrinsics) -> tuple[np.ndarray, float]:
    """T_cam_board (4, 4) and the reprojection error (RMS) in pixels.

    Raises CalibrationError: "resolution" when the picture has another size than the intrinsics are for, "blurred" when
    the corners do not lie where a flat board and these intrinsics would put them.
    """
    check_resolution(detection.width, detection.height, intrinsics)
    K, distortion = camera_matrix(intrinsics), np.array(intrinsics.distortion)
    points = board.points_m[detection.ids]
    # A flat board has two candidate poses; seen nearly head-on only their errors tell them apart.
    count, rvecs, tvecs, _ = cv2.solvePnPGeneric(
        points, detection.corners_px, K, distortion, flags=cv2.SOLVEPNP_IPPE, reprojectionError=np.zeros(2)
    )
    candidates = []
    for rvec, tvec in zip(rvecs[:count], tvecs[:count], strict=True):
        rvec, tvec = cv2.solvePnPRefineLM(points, detection.corners_px, K, distortion, rvec, tvec)
        seen = cv2.projectPoints(points, rvec, tvec, K, distortion)[0].reshape(-1, 2)
        error = float(np.sqrt(np.mean(np.sum((seen - detection.corners_px) ** 2, axis=1))))
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = cv2.Rodrigues(rvec)[0], tvec.reshape(3)
        candidates.append((error, T))
    error, T = min(candidates, key=lambda candidate: candidate[0])
    if error > BLUR_PX:
        raise CalibrationError(
            "blurred",
            f"the corners are {error:.1f} px (RMS) from where a flat board would show them, limit {BLUR_PX} px; hold "
            "still, "
            "glue the board to something flat, and check that the intrinsics are this camera's",
        )
    return T, error


def check_resolution(width: int, height: int, intrinsics: Intrinsics) -> None:
    """Raises CalibrationError ("resolution") unless the intrinsics are for pictures of this size."""
    if (width, height) != (intrinsics.width, intrinsics.height):
        raise CalibrationError(
            "resolution",
            f"the picture has {width}x{height} pixels, the intrinsics are for {intrinsics.width}x{intrinsics.height}; "
            "set the camera to that size, or calibrate the intrinsics at this one",
        )


def camera_matrix(intrinsics: Intrinsics) -> np.ndarray:
    """K (3, 3)."""
    return np.array([[intrinsics.fx, 0, intrinsics.cx], [0, intrinsics.fy, intrinsics.cy], [0, 0, 1.0]])


def _refuse_other_layout(board: Board, marker_corners: Any, marker_ids: np.ndarray) -> None:
    """Raises CalibrationError ("wrong_board") where markers of the dictionary lie as on no board like this one."""
    opencv_board = _opencv_board(board)
    own = set(np.asarray(opencv_board.getIds()).reshape(-1).tolist())
    foreign = [int(i) for i in marker_ids if int(i) not in own]
    if len(foreign) >= LEAST_FOREIGN:
        raise CalibrationError(
            "wrong_board",
            f"markers {sorted(foreign)[:5]} are not on a board of {board.columns} x {board.rows} squares "
            f"({board.dictionary}); "
            "put the other board away, or give this one's columns and rows",
        )
    known = [k for k, i in enumerate(marker_ids) if int(i) in own]
    if len(known) < 4:
        return
    places = {
        int(i): p
        for i, p in zip(np.asarray(opencv_board.getIds()).reshape(-1), opencv_board.getObjPoints(), strict=True)
    }
    flat = np.concatenate([np.asarray(places[int(marker_ids[k])])[:, :2] for k in known])
    seen = np.concatenate([np.asarray(marker_corners[k]).reshape(4, 2) for k in known])
    H, _ = cv2.findHomography(flat, seen, cv2.LMEDS)
    side_px = np.mean([np.linalg.norm(s[0] - s[1]) for s in seen.reshape(-1, 4, 2)])
    misfit = np.inf if H is None else np.median(np.linalg.norm(map_plane(H, flat) - seen, axis=1))
    if misfit > 0.25 * side_px:
        raise CalibrationError(
            "wrong_board",
            f"the markers do not lie as on a board of {board.columns} x {board.rows} squares with markers of "
            f"{board.marker_m / board.square_m:.0%} of a square; give this board's columns, rows and sizes",
        )


def _say_why(grey: np.ndarray, board: Board, found: int, markers: int) -> None:
    """Raises CalibrationError with the likeliest reason why too few corners were found."""
    mirrored = _count_markers(np.ascontiguousarray(grey[:, ::-1]), board.dictionary)
    if mirrored >= max(4, 2 * markers):
        raise CalibrationError(
            "mirrored",
            "the picture is mirrored; switch off mirroring in the camera's settings, or print the board again",
        )
    bits = board.dictionary.split("_")[1]
    others = {name: _count_markers(grey, name) for name in DICTIONARIES if name.endswith("_1000") and bits not in name}
    name, count = max(others.items(), key=lambda item: item[1])
    if count >= max(4, 2 * markers):
        raise CalibrationError(
            "wrong_board",
            f"this board has {name.split('_')[1].lower()} markers, wanted {bits.lower()} ({board.dictionary}); "
            "use the board that `world4rl calibrate board` prints, or give this one's dictionary",
        )
    if found or markers:
        raise CalibrationError(
            "hidden",
            f"only {found} of {board.corner_count} corners are visible, wanted {LEAST_SHARE:.0%}; move the board into "
            "the "
            "picture, uncover it, and avoid glare and shadow",
        )
    raise CalibrationError(
        "no_board", "no board in the picture; point the camera at it, 0.3 to 0.8 m away, in even light"
    )


def map_plane(H: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (n, 2) of a plane through a homography (3, 3)."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ H.T
    return mapped[:, :2] / mapped[:, 2:]


def _count_markers(grey: np.ndarray, dictionary: str) -> int:
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary)))
    return len(detector.detectMarkers(grey)[0])


@functools.lru_cache(maxsize=8)
def _opencv_board(board: Board) -> Any:
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    return cv2.aruco.CharucoBoard((board.columns, board.rows), board.square_m, board.marker_m, dictionary)


@functools.lru_cache(maxsize=8)
def _detector(board: Board) -> Any:
    return cv2.aruco.CharucoDetector(_opencv_board(board))
