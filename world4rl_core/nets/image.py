"""The one place where pixels change their form."""

from jaxtyping import Float, UInt8
from torch import Tensor


def to_frames(images: UInt8[Tensor, "*lead height width 3"]) -> Float[Tensor, "*lead 3 height width"]:
    """uint8 RGB `h w c` becomes float32 `c h w` in [-1, 1]."""
    return images.movedim(-1, -3).float().div_(127.5).sub_(1.0)


def to_images(frames: Float[Tensor, "*lead 3 height width"]) -> UInt8[Tensor, "*lead height width 3"]:
    """Float `c h w` in [-1, 1] becomes uint8 RGB `h w c`; values outside are clipped."""
    return frames.float().add(1.0).mul_(127.5).round_().clamp_(0, 255).byte().movedim(-3, -1).contiguous()
