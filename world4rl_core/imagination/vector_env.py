"""The imagined environment as a `gymnasium.vector.VectorEnv`, so that any algorithm can train in it."""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from world4rl_core.imagination.env import ImaginationEnv
from world4rl_core.nets.image import to_images


class ImaginationVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Observations are uint8 images (env, h, w, 3), actions float32 (env, d) in [-1, 1].

    An environment that ends restarts in the same step: the returned observation is the new start, and
    `info["final_obs"]` holds the last frame of the old episode.
    """

    def __init__(self, env: ImaginationEnv) -> None:
        self.env = env
        height, width = env.starts.frames.shape[1:3]
        action_dim = env.starts.actions.shape[1]
        self.num_envs = env.config.envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (action_dim,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts all environments; an integer `seed` replaces the environment's."""
        if isinstance(seed, int):
            self.env.seed = seed
            frame = self.env.reset()
        else:
            frame = self.env.reset(clock=self.env.clock)
        return to_images(frame).cpu().numpy(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Reward 1 and termination on success, truncation at the horizon."""
        given = torch.as_tensor(np.asarray(actions, dtype=np.float32), device=self.env.device)
        step = self.env.step(given)
        ended = (step.terminated | step.truncated).cpu().numpy()
        info: dict[str, Any] = {"success_probability": step.probability.cpu().numpy()}
        if ended.any():
            info["final_obs"] = to_images(step.next_frame).cpu().numpy()
            info["_final_obs"] = ended
        return (
            to_images(step.frame).cpu().numpy(),
            step.reward.double().cpu().numpy(),
            step.terminated.cpu().numpy(),
            step.truncated.cpu().numpy(),
            info,
        )
