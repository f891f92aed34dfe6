"""Finding the board, and naming what is wrong where it is not found."""

import cv2
import numpy as np
import pytest
from board_photo import INTRINSICS, photo

from world4rl_core.calibration.board import Board, board_pose, find_board
from world4rl_core.calibration.printing import print_page
from world4rl_core.errors import CalibrationError, ConfigError


def reason(image: np.ndarray, board: Board) -> tuple[str, str]:
    with pytest.raises(CalibrationError) as caught:
        find_board(image, board)
    return caught.value.reason, str(caught.value)


def test_the_board_is_found_where_it_is(board):
    T, error = board_pose(find_board(photo(board), board), board, INTRINSICS)
    assert error < 0.3
    centre = T @ [board.width_m / 2, board.height_m / 2, 0, 1]
    np.testing.assert_allclose(centre[:3], [0, 0, 0.45], atol=0.002)


def test_a_mirrored_picture_is_named(board):
    name, message = reason(photo(board)[:, ::-1], board)
    assert name == "mirrored" and "mirroring" in message


def test_a_partly_hidden_board_is_named_with_what_is_visible(board):
    image = photo(board)
    image[:, 260:] = 90
    name, message = reason(image, board)
    assert name == "hidden" and f"of {board.corner_count} corners" in message


def test_a_board_hidden_by_a_third_is_still_used(board):
    image = photo(board)
    image[:, 420:] = 90
    assert board.corner_count > len(find_board(image, board).ids) >= board.corner_count / 2


def test_no_board_is_named(board):
    assert reason(np.full((480, 640, 3), 127, np.uint8), board)[0] == "no_board"


def test_a_board_of_another_dictionary_is_named_with_it(board):
    name, message = reason(photo(Board(dictionary="DICT_6X6_250")), board)
    assert name == "wrong_board" and "6x6 markers, wanted 4x4" in message


def test_a_larger_board_is_named_by_its_foreign_markers(board):
    name, message = reason(photo(Board(9, 7, 0.032, 0.024)), board)
    assert name == "wrong_board" and "are not on a board of 7 x 5" in message


def test_a_board_with_the_same_markers_elsewhere_is_named(board):
    name, message = reason(photo(Board(5, 7), depth_m=0.6), board)
    assert name == "wrong_board" and "do not lie as" in message


def test_another_resolution_than_the_intrinsics_is_named(board):
    small = cv2.resize(photo(board), (320, 240), interpolation=cv2.INTER_AREA)
    with pytest.raises(CalibrationError, match="320x240 pixels, the intrinsics are for 640x480"):
        board_pose(find_board(small, board), board, INTRINSICS)


def test_a_bent_board_or_a_smeared_picture_is_named(board):
    detection = find_board(photo(board), board)
    bent = detection.corners_px + 8 * np.sin(detection.corners_px[:, ::-1] / 60)
    with pytest.raises(CalibrationError) as caught:
        board_pose(type(detection)(bent, detection.ids, 640, 480), board, INTRINSICS)
    assert caught.value.reason == "blurred"


def test_an_impossible_board_is_refused():
    with pytest.raises(ConfigError, match="markers smaller than the squares"):
        Board(marker_m=0.05)
    with pytest.raises(ConfigError, match="known: DICT_4X4_50"):
        Board(dictionary="DICT_9X9_9")


def test_the_printed_page_has_the_right_scale(board, tmp_path):
    page = cv2.imread(str(print_page(board, tmp_path / "board.png")), cv2.IMREAD_GRAYSCALE)
    corners = find_board(page, board).corners_px
    millimetres = 25.4 / 300 * (corners[:, 0].max() - corners[:, 0].min())
    assert millimetres == pytest.approx(1000 * board.square_m * (board.columns - 2), abs=0.1)
    with pytest.raises(ConfigError, match="does not fit on A4"):
        print_page(Board(square_m=0.05), tmp_path / "large.pdf")
