"""Names for the shapes that cross module borders.

Images are uint8 RGB `h w c` outside the networks and float `c h w` in [-1, 1] inside; `nets/image.py` converts.
"""

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

Image = UInt8[Tensor, "batch height width 3"]
Frame = Float[Tensor, "batch 3 height width"]
Frames = Float[Tensor, "batch time 3 height width"]
History = Float[Tensor, "batch seen 3 height width"]
"""As many frames as there are actions, or one more: the first frame of the episode, in front of the others."""
Actions = Float[Tensor, "batch time action"]
Action = Float[Tensor, "batch action"]
Mask = Bool[Tensor, "batch time"]
Scalar = Float[Tensor, ""]
PerBatch = Float[Tensor, " batch"]
PerStep = Float[Tensor, "batch time"]
