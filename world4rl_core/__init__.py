"""World4RL: refine robot policies with reinforcement learning inside a learned diffusion world model."""

__version__ = "0.1.0"
