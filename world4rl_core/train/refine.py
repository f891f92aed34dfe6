"""Refinement: PPO inside the frozen world model (World4RL, policy optimisation stage)."""

import copy
import dataclasses
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from world4rl_core.config_json import to_json
from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError, DataError
from world4rl_core.evaluation.held_out import held_out_episodes
from world4rl_core.imagination.env import ImaginationConfig, ImaginationEnv
from world4rl_core.imagination.rollout import collect, evaluate
from world4rl_core.imagination.starts import Starts
from world4rl_core.nets.checkpoint import State, load_model_state
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.policy.actor_critic import Critic, GaussianPolicy, load_policy
from world4rl_core.policy.update import PPO, PPOConfig, prepare
from world4rl_core.reward.classifier import load_reward
from world4rl_core.train import ranges
from world4rl_core.train.distributed import World, join
from world4rl_core.train.fit import data_part, policy_part, refuse_mismatch, reward_part, world_model_part
from world4rl_core.train.gate import GateConfig, Passage, check_gate
from world4rl_core.train.run import Run
from world4rl_core.train.stopping import Stopping, StoppingConfig
from world4rl_core.world_model.model import load_world_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Options of `world4rl refine`."""

    policy: Path
    """Run folder of the cloned policy."""
    world_model: Path
    reward: Path
    data: tuple[Path, ...]
    """The datasets of the world model: imagined episodes start from their frames."""
    out: Path
    """Run folder; the same command continues an interrupted run."""
    tasks: tuple[str, ...] | None = None
    """Start from episodes of these tasks only (default: all)."""
    cameras: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    """Height and width of one view (default: as recorded)."""
    imagination: ImaginationConfig = field(default_factory=ImaginationConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)
    iterations: int = 50
    """Rollouts, each followed by an update."""
    rollout_steps: int = 25
    """Steps of every environment in a rollout."""
    average: bool = False
    """The result is the mean of the policy's weights after every iteration that trained it (Polyak averaging): single
    iterates differ a lot in reality where imagination hardly tells them apart. `imagined_success` and `uncertainty` of
    the log are this mean's, `imagined_success_noisy` and `kl_clone` the newest policy's."""
    inside: float = 0.3
    """Share of imagined episodes that start inside recorded ones (0: initial states only, the paper)."""
    evaluate_every: int = 5
    """Iterations between evaluations without noise."""
    gate: GateConfig = field(default_factory=GateConfig)
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    override_trust: str = ""
    """Reason to refine although the gate says no; recorded with the policy."""
    seed: int = 0
    device: str = "auto"
    save_every_s: float = 30.0

    def __post_init__(self) -> None:
        ranges.at_least(self, 1, "iterations", "rollout_steps", "evaluate_every")
        ranges.share(self, "inside", whole=True)


ITERATE = "iterates/{:04d}.safetensors"
"""The result so far at each evaluation and its imagined success, which `world4rl evaluate` compares with reality."""
_HERE = Path()
PRESETS = {
    "cpu": Config(_HERE, _HERE, _HERE, (), _HERE),
    "paper": Config(
        _HERE, _HERE, _HERE, (), _HERE, inside=0.0, rollout_steps=50,
        imagination=ImaginationConfig(uncertainty_every=0),
        ppo=PPOConfig(returns="one-step", kl_to_clone=0.0, target_kl=0.0, critic_warmup=0, mask_after_success=False),
    ),
}  # fmt: skip


def run(config: Config) -> Path:
    """Refines the policy and returns its run folder.

    Raises TrustError when the world model disagrees with reality on held-out episodes and no override is given.
    """
    if _HERE in (config.policy, config.world_model, config.reward, config.out) or not config.data:
        raise ConfigError("pass --policy, --world-model, --reward, --data and --out")
    world = join(config.device)
    folder = Run(config.out, kind="refine", config=config, world=world)
    if folder.is_complete:
        return config.out
    refinement = Refinement(config, world)
    if not folder.has_state:
        refinement.gate()
    first = refinement.load(folder.resume(data=refinement.cache.hash))
    reason = refinement.stopping.reason
    if first == 0:
        cloned = refinement.passage.figures | refinement.evaluate()
        reason = refinement.stopping.check(cloned)
        folder.log(0, cloned)
        folder.keep(ITERATE.format(0), refinement.iterate_state(0, cloned))
    with folder.progress(config.iterations, done=first, unit="iteration") as bar:
        for iteration in range(first, config.iterations):
            if reason:
                logger.warning("stopped after %d iterations: %s", iteration, reason)
                break
            figures = refinement.iterate(iteration)
            if (iteration + 1) % config.evaluate_every == 0:
                figures |= refinement.evaluate()
                folder.keep(ITERATE.format(iteration + 1), refinement.iterate_state(iteration + 1, figures))
            folder.log(iteration + 1, figures)
            bar.set_postfix(imagined=f"{figures['imagined_success_noisy']:.2f}", kl=f"{figures.get('kl_clone', 0):.3f}")
            bar.update()
            reason = refinement.stopping.check(figures)
            folder.save_if_due(lambda done=iteration + 1: refinement.state(done))
    folder.finish(refinement.result(reason or "all iterations done"))
    return config.out


class Refinement:
    """Policy, its average, critic and imagined environments of one refinement."""

    def __init__(self, config: Config, world: World) -> None:
        self.config, self.world = config, world
        self.model = load_world_model(config.world_model, device=world.device)
        self.classifier, self.decision = load_reward(config.reward, device=world.device)
        self.clone = load_policy(config.policy, device=world.device).requires_grad_(False)
        self.cache = FrameCache.build(config.data, cameras=config.cameras, size=config.size)
        refuse_mismatch(
            data_part(self.cache),
            policy_part(load_model_state(config.policy, "policy")),
            world_model_part(load_model_state(config.world_model, "world-model")),
            reward_part(load_model_state(config.reward, "reward")),
        )
        torch.manual_seed(config.seed)
        self.policy = copy.deepcopy(self.clone).requires_grad_(True)
        self.average = copy.deepcopy(self.clone)
        self.critic = Critic(self.clone.config).to(world.device)
        share = dataclasses.replace(config.ppo, minibatch=max(1, config.ppo.minibatch // world.size))
        self.ppo = PPO(world.wrap(self.policy), world.wrap(self.critic), share, mean=world.mean)
        self.env = self._env(config.inside, seed=config.seed)
        self.judge_env = self._env(0.0, seed=config.seed + 1_000_003)
        self.env.reset()
        self.stopping = Stopping(config.stopping)
        self.passage = Passage({})

    def gate(self) -> None:
        """Compares imagined with real outcomes of held-out replays. Raises TrustError when they disagree."""
        config = self.config
        cache, held_out = held_out_episodes(config.data, world_model=config.world_model, reward=config.reward)
        self.passage = check_gate(
            self.model, self.classifier, self.decision, cache, held_out,
            config=config.gate, override=config.override_trust,
        )  # fmt: skip

    def iterate(self, iteration: int) -> dict[str, float]:
        """One rollout and one update."""
        config, world = self.config, self.world
        std = torch.full((self.policy.config.action_dim,), config.ppo.std, device=world.device)
        rollout = collect(self.env, self.policy, self.critic, std=std, steps=config.rollout_steps)
        batch = prepare(rollout, self.clone, config.ppo)
        random = RandomRows(config.seed, iteration, device=world.device)
        figures = self.ppo.update(batch, iteration=iteration, random=random)
        self._follow(iteration)
        counts = torch.tensor([rollout.successes, rollout.episodes, rollout.uncertainty], device=world.device)
        successes, episodes, uncertainty = world.mean(counts).tolist()
        return figures | {
            "imagined_success_noisy": successes / max(1.0, episodes),
            "imagined_episodes": episodes * world.size,
            "uncertainty_noisy": uncertainty,
            "reward": world.mean(rollout.rewards.mean()).item(),
            "value": rollout.values.mean().item(),
        }

    def evaluate(self) -> dict[str, float]:
        """Success and uncertainty of the result's mean action, always over the same imagined episodes."""
        judged = evaluate(self.judge_env, self.refined.eval())
        counts = self.world.mean(torch.tensor([judged.rate, judged.uncertainty], device=self.world.device)).tolist()
        return {"imagined_success": counts[0], "uncertainty": counts[1]}

    @property
    def refined(self) -> GaussianPolicy:
        """The result so far: the policy, or the mean of its iterates."""
        return self.average if self.config.average else self.policy

    def iterate_state(self, iteration: int, figures: dict[str, float]) -> State:
        """The result so far, with its imagined successes and episodes."""
        episodes = self.config.imagination.envs
        told = {"imagined": [round(figures["imagined_success"] * episodes), episodes]}
        state = self.result("an iterate")
        return state | {"step": iteration, "provenance": state["provenance"] | told}

    def state(self, iteration: int) -> State:
        return {
            "step": iteration, "policy": self.policy.state_dict(), "critic": self.critic.state_dict(),
            **({"average": self.average.state_dict()} if self.config.average else {}),
            "actor_optimiser": self.ppo.actor_optimiser.state_dict(),
            "critic_optimiser": self.ppo.critic_optimiser.state_dict(),
            "env": self.env.state(), "stopping": self.stopping.state(),
            "evidence": self.passage.figures, "override_trust": self.passage.overridden,
        }  # fmt: skip

    def load(self, state: State | None) -> int:
        """Continues from a saved state; returns the number of iterations that are done."""
        if state is None:
            return 0
        self.policy.load_state_dict(state["policy"])
        if self.config.average:
            self.average.load_state_dict(state["average"])
        self.critic.load_state_dict(state["critic"])
        self.ppo.actor_optimiser.load_state_dict(state["actor_optimiser"])
        self.ppo.critic_optimiser.load_state_dict(state["critic_optimiser"])
        reason = state.get("override_trust", self.config.override_trust)  # states written before it was kept lack it
        self.passage = Passage(state["evidence"], reason)
        self.stopping.load(state["stopping"])
        if self.world.size == 1:
            self.env.load(state["env"])
        else:
            self.env.reset(clock=int(state["env"]["clock"]))
        return int(state["step"])

    def result(self, reason: str) -> State:
        config = self.config
        return {
            "kind": "policy", "step": config.iterations, "config": to_json(self.policy.config),
            "weights": self.refined.state_dict(),
            "provenance": {
                "data": self.cache.hash, "cameras": self.cache.cameras, "training": to_json(config), "end": reason,
                "gate": self.passage.figures, "override_trust": self.passage.overridden,
            },
        }  # fmt: skip

    @torch.no_grad()
    def _follow(self, iteration: int) -> None:
        """Takes the policy into the mean of the policies since the critic's warm-up."""
        trained = iteration - self.config.ppo.critic_warmup + 1
        if trained > 0:
            torch._foreach_lerp_(list(self.average.parameters()), list(self.policy.parameters()), 1.0 / trained)

    def _env(self, inside: float, *, seed: int) -> ImaginationEnv:
        config, world = self.config, self.world
        imagination = dataclasses.replace(config.imagination, envs=world.share(config.imagination.envs))
        episodes = np.arange(self.cache.num_episodes)
        if config.tasks is not None:
            _refuse_unknown_tasks(config.tasks, self.cache)
            episodes = np.array([e for e in episodes if self.cache.tasks[e] in config.tasks], dtype=np.int64)
        starts = Starts(
            self.cache, episodes, history=self.model.history, first_frame=self.model.first_frame,
            horizon=imagination.horizon, inside=inside,
        )  # fmt: skip
        return ImaginationEnv(
            self.model, self.classifier, self.decision, starts=starts, config=imagination, seed=seed,
            rank=world.rank, world_size=world.size, device=world.device,
        )  # fmt: skip


def _refuse_unknown_tasks(tasks: tuple[str, ...], cache: FrameCache) -> None:
    known = sorted(set(cache.tasks))
    unknown = [task for task in tasks if task not in known]
    if unknown or not tasks:
        raise DataError(f"--tasks: no episode of {', '.join(unknown) or 'none'}; the data has: {', '.join(known)}")
