"""A rig file as a drawing: workspace box, arm, and what the cameras see, from above and from the side."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # a file is drawn, also without a display

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from world4rl_core.rig import CameraRig, Rig
from world4rl_core.robot.kinematics import joint_frames

DEPTH_M = 0.35
"""Length of a drawn frustum."""
NOMINAL_FOCAL = 0.96
"""Focal length over width of a RealSense's colour camera, for cameras whose intrinsics are not known yet."""
COLOURS = ("tab:orange", "tab:green", "tab:purple", "tab:red", "tab:brown", "tab:pink")
PLANES = {"from above": (1, 0), "from the side": (0, 2)}
"""(horizontal, vertical) axes of the two drawings."""
NAMES = ("x", "y", "z")


def draw_rig(rig: Rig, path: Path) -> Path:
    """Writes the PNG and returns its path. The arm stands in its home pose."""
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    frames = joint_frames(np.array(rig.robot.home_q))
    poses = {camera.name: camera_pose_of(camera, frames[-1]) for camera in rig.cameras}
    for axes, (title, plane) in zip(np.ravel(figure.subplots(1, 2)), PLANES.items(), strict=True):
        _draw_box(axes, rig, plane)
        _draw_arm(axes, frames, plane)
        for colour, camera in zip(COLOURS, rig.cameras, strict=False):
            _draw_camera(axes, camera, poses[camera.name], plane, colour)
        axes.set_title(title)
        axes.set_xlabel(f"{NAMES[plane[0]]} of base in m")
        axes.set_ylabel(f"{NAMES[plane[1]]} of base in m")
        axes.set_aspect("equal", adjustable="datalim")
        axes.grid(alpha=0.3)
        if plane == PLANES["from above"]:
            axes.invert_xaxis()  # seen from above, with x up, y points to the left
    missing = [name for name, pose in poses.items() if pose is None]
    note = f"    not calibrated, so not drawn: {', '.join(missing)}" if missing else ""
    figure.suptitle(f"rig {rig.name}: {rig.robot.model} at {rig.robot.host}{note}")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def camera_pose_of(camera: CameraRig, T_base_ee: np.ndarray) -> np.ndarray | None:
    """T_base_cam (4, 4) while the arm stands at `T_base_ee`; None for a camera that is not calibrated."""
    if camera.T_parent_cam is None:
        return None
    T = np.array(camera.T_parent_cam).reshape(4, 4)
    return T_base_ee @ T if camera.mount == "hand" else T


def frustum(camera: CameraRig, T_base_cam: np.ndarray, *, depth_m: float = DEPTH_M) -> np.ndarray:
    """The camera's centre and the corners of its picture `depth_m` in front of it, in base: (5, 3)."""
    if camera.intrinsics is not None:
        one = camera.intrinsics
        width, height, fx, fy, cx, cy = one.width, one.height, one.fx, one.fy, one.cx, one.cy
    else:
        width, height = camera.width, camera.height
        fx = fy = NOMINAL_FOCAL * width
        cx, cy = (width - 1) / 2, (height - 1) / 2
    rays = [((u - cx) / fx, (v - cy) / fy, 1.0) for u, v in ((0, 0), (width, 0), (width, height), (0, height))]
    points = np.vstack([np.zeros(3), depth_m * np.array(rays)])
    return points @ T_base_cam[:3, :3].T + T_base_cam[:3, 3]


def _draw_box(axes: Axes, rig: Rig, plane: tuple[int, int]) -> None:
    low, high = np.array(rig.limits.box_low_m), np.array(rig.limits.box_high_m)
    a, b = plane
    size = high - low
    axes.add_patch(
        Rectangle((low[a], low[b]), size[a], size[b], facecolor="tab:blue", alpha=0.12, edgecolor="tab:blue", lw=1.5)
    )
    inner, margin = size - 2 * rig.limits.margin_m, rig.limits.margin_m
    axes.add_patch(
        Rectangle((low[a] + margin, low[b] + margin), inner[a], inner[b], fill=False, ls=":", edgecolor="tab:blue")
    )
    axes.plot([], [], color="tab:blue", label="workspace box of the end effector")
    text = " x ".join(f"{1000 * length:.0f}" for length in size)
    axes.annotate(
        f"{text} mm", (low[a], low[b]), textcoords="offset points", xytext=(4, -12), fontsize=8, color="tab:blue"
    )


def _draw_arm(axes: Axes, frames: list[np.ndarray], plane: tuple[int, int]) -> None:
    points = np.array([np.zeros(3), *(T[:3, 3] for T in frames)])[:, plane]
    axes.plot(*points.T, "-o", color="0.35", lw=3, ms=5, label="arm in its home pose")
    axes.plot(*points[0], "s", color="0.2", ms=12)
    axes.plot(*points[-1], "v", color="black", ms=9, label="end effector")


def _draw_camera(
    axes: Axes, camera: CameraRig, T_base_cam: np.ndarray | None, plane: tuple[int, int], colour: str
) -> None:
    if T_base_cam is None:
        return
    centre, *corners = frustum(camera, T_base_cam)[:, plane]
    ring = np.array([*corners, corners[0]])
    axes.fill(*ring.T, color=colour, alpha=0.15)
    axes.plot(*ring.T, color=colour, lw=1)
    for corner in corners:
        axes.plot(*np.array([centre, corner]).T, color=colour, lw=0.8)
    axes.plot(*centre, "o", color=colour, ms=8, label=f"camera {camera.name} ({camera.mount})")
