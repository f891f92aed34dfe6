"""The whole way from raw pictures to the action as one torch module, in operations that ONNX computes bit for bit."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor, nn

from world4rl_core.errors import CheckpointError
from world4rl_core.nets.image import to_frames
from world4rl_core.pixels import area_taps, crop_bounds
from world4rl_core.policy.actor_critic import GaussianPolicy
from world4rl_core.runtime.bundle import BundleCamera


class Resize(nn.Module):
    """`pixels.resize` from one fixed size to another, in the same integers."""

    index_rows: Tensor
    weight_rows: Tensor
    index_columns: Tensor
    weight_columns: Tensor

    def __init__(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        super().__init__()
        rows, columns = area_taps(old[0], new[0]), area_taps(old[1], new[1])
        self.is_identity, self.area = tuple(old) == tuple(new), old[0] * old[1]
        for name, taps in (("rows", rows), ("columns", columns)):
            self.register_buffer(f"index_{name}", torch.from_numpy(taps.index))
            self.register_buffer(f"weight_{name}", torch.from_numpy(taps.weight))

    def forward(self, image: Integer[Tensor, "h w 3"]) -> Integer[Tensor, "new_h new_w 3"]:
        if self.is_identity:
            return image
        pixels = image.to(torch.int32)
        tall = _weighted(pixels, 0, self.index_rows, self.weight_rows[:, :, None, None])
        total = _weighted(tall, 1, self.index_columns, self.weight_columns[:, None, :, None])
        return ((total + self.area // 2) // self.area).to(torch.uint8)


def _weighted(pixels: Tensor, axis: int, index: Tensor, weight: Tensor) -> Tensor:
    total = pixels.index_select(axis, index[0]) * weight[0]
    for tap in range(1, len(index)):
        total = total + pixels.index_select(axis, index[tap]) * weight[tap]
    return total


class View(nn.Module):
    """One camera: crop, the size that was recorded, the size that the policy was trained on."""

    def __init__(self, camera: BundleCamera, view: tuple[int, int]) -> None:
        super().__init__()
        self.bounds = crop_bounds(camera.crop, camera.height, camera.width)
        top, bottom, left, right = self.bounds
        self.recorded = Resize((bottom - top, right - left), camera.size)
        self.trained = Resize(camera.size, view)

    def forward(self, image: UInt8[Tensor, "h w 3"]) -> UInt8[Tensor, "view_h view_w 3"]:
        top, bottom, left, right = self.bounds
        return self.trained(self.recorded(image[top:bottom, left:right]))


class Deployed(nn.Module):
    """Raw uint8 (h, w, 3) pictures, one a camera in the order of `cameras`, to one action (d,) in [-1, 1].

    Raises CheckpointError when the views side by side are not the frame that the policy was trained on.
    """

    def __init__(self, policy: GaussianPolicy, cameras: Sequence[BundleCamera], *, view: tuple[int, int]) -> None:
        super().__init__()
        shape = policy.config
        if (view[0], view[1] * len(cameras)) != (shape.height, shape.width):
            raise CheckpointError(
                f"{len(cameras)} views of {view[0]}x{view[1]} side by side are not the policy's frame of "
                f"{shape.height}x{shape.width}; pass --cameras in the order of its training"
            )
        self.views = nn.ModuleList(View(camera, view) for camera in cameras)
        self.policy = policy

    def frame(self, *images: UInt8[Tensor, "_h _w 3"]) -> UInt8[Tensor, "height width 3"]:
        """What the policy sees: the views side by side."""
        return torch.cat([view(image) for view, image in zip(self.views, images, strict=True)], dim=1)

    def forward(self, *images: UInt8[Tensor, "_h _w 3"]) -> Float[Tensor, " action"]:
        mean = self.policy(to_frames(self.frame(*images))[None])[0]
        return mean.clamp(-1.0, 1.0) + (mean - mean)  # NaN for an infinite mean, which must not pass as a full action
