"""Training of the success classifier on real frames and on imagined replays (World4RL eq. 7, and beyond)."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from world4rl_core.config_json import to_json
from world4rl_core.data.cache import FrameCache
from world4rl_core.errors import ConfigError
from world4rl_core.imagination.replay import Replays, frame_logits, replay
from world4rl_core.nets.checkpoint import load_model_state
from world4rl_core.nets.image import to_frames
from world4rl_core.nets.random_rows import RandomRows
from world4rl_core.policy.augmentation import random_shift
from world4rl_core.reward.classifier import ClassifierConfig, SuccessClassifier, cached_imagenet_weights
from world4rl_core.reward.decision import (
    Decision,
    episode_peaks,
    expected_calibration_error,
    fit_temperature,
    threshold_for_agreement,
    threshold_for_false_positives,
)
from world4rl_core.train import ranges
from world4rl_core.train.distributed import World, join
from world4rl_core.train.fit import data_part, refuse_mismatch, world_model_part
from world4rl_core.train.reward_split import split_for_reward
from world4rl_core.train.run import Run
from world4rl_core.world_model.model import load_world_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Options of `world4rl train reward`."""

    data: tuple[Path, ...]
    """Datasets with success labels."""
    out: Path
    """Run folder; the same command continues an interrupted run."""
    world_model: Path | None = None
    """World model whose imagined replays are learned from too; unset: real frames only (the paper)."""
    imagined_share: float = 0.67
    """Share of each batch that is imagined, when there is a world model."""
    sources: tuple[str, ...] | None = None
    """Episodes used (default: all sources; the paper: expert only)."""
    architecture: ClassifierConfig = field(default_factory=lambda: ClassifierConfig(32, "small", 0.1, "bf16"))
    imagenet_weights: Path | None = None
    """torchvision's resnet18 weights (default, for its architecture: the file in torch hub's cache, where it is there;
    without weights the classifier is trained from scratch)."""
    cameras: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    """Height and width of one view (default: as recorded)."""
    rescale_actions: bool = False
    """Map the recorded range of each action dimension onto [-1, 1], as the world model does."""
    steps: int = 800
    """Gradient steps."""
    batch: int = 96
    """Frames a step, half of them successes where there are any."""
    lr: float = 1e-3
    weight_decay: float = 1e-2
    shift: int = 2
    """Random shifts of up to this many pixels."""
    false_positive_rate: float = 0.01
    """Threshold without a world model: at most this share of held-out negatives is called success."""
    dwell: int = 1
    """Consecutive frames that must be successes."""
    held_out: float | None = None
    """Share of episodes left out of training: half of them for the threshold, the others for whoever judges (default:
    the episodes that the world model left out, where it was trained on the same data; else 0.15)."""
    seed: int = 0
    device: str = "auto"
    save_every_s: float = 30.0

    def __post_init__(self) -> None:
        ranges.at_least(self, 1, "steps", "batch", "dwell")
        ranges.at_least(self, 0, "shift")
        ranges.positive(self, "lr", "held_out")
        ranges.share(self, "held_out")
        ranges.share(self, "imagined_share", "false_positive_rate", whole=True)

    @property
    def imagines(self) -> bool:
        """Whether imagined replays are learned from, and choose the threshold."""
        return self.world_model is not None and self.imagined_share > 0.0


_HERE = Path()
PRESETS = {
    "cpu": Config(data=(), out=_HERE),
    "paper": Config(
        data=(), out=_HERE, imagined_share=0.0, sources=("expert", "human"), architecture=ClassifierConfig()
    ),
}


@dataclass(frozen=True)
class Examples:
    """Frames of one kind (real or imagined) with labels; positives and negatives as indices."""

    images: np.ndarray
    labels: np.ndarray

    def draw(self, count: int, *, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """`count` frames, half positive and half negative where both exist."""
        positive, negative = np.flatnonzero(self.labels), np.flatnonzero(~self.labels)
        if len(positive) == 0 or len(negative) == 0:
            chosen = rng.integers(len(self.labels), size=count)
        else:
            half = count // 2
            chosen = np.concatenate([rng.choice(positive, half), rng.choice(negative, count - half)])
        chosen.sort()
        return torch.from_numpy(self.images[chosen]), torch.from_numpy(self.labels[chosen])


def run(config: Config) -> Path:
    """Trains the classifier, chooses its threshold and returns the run folder."""
    if not config.data or config.out == _HERE:
        raise ConfigError("pass --data FOLDER [FOLDER …] and --out FOLDER")
    world = join(config.device)
    folder = Run(config.out, kind="reward", config=config, world=world)
    if folder.is_complete:
        return config.out
    cache = FrameCache.build(
        config.data, cameras=config.cameras, size=config.size, rescale_actions=config.rescale_actions
    )
    imagined_by = None if config.world_model is None else load_model_state(config.world_model, "world-model")
    if imagined_by is not None:
        refuse_mismatch(data_part(cache), world_model_part(imagined_by))
    training, calibration, judged = split_for_reward(
        cache, share=config.held_out, seed=config.seed, sources=config.sources, by_outcome=config.imagines,
        world_model=None if imagined_by is None else imagined_by["provenance"],
    )  # fmt: skip
    torch.manual_seed(config.seed)
    weights = config.imagenet_weights or cached_imagenet_weights(config.architecture)
    classifier = SuccessClassifier(config.architecture, imagenet_weights=weights).to(world.device)
    logger.info("classifier: %s", f"from {weights}" if weights is not None else "from scratch, no ImageNet weights")
    replays = _replays(cache, config, training, calibration, world)
    examples = [_real(cache, training)] + ([_imagined(replays[0])] if replays else [])
    _train(classifier, examples, config, folder, world, data=cache.hash)
    decision, figures = _decide(classifier, cache, calibration, replays[1] if replays else None, config)
    folder.log(config.steps, figures)
    folder.finish(
        {
            "kind": "reward", "step": config.steps, "config": to_json(config.architecture),
            "weights": classifier.state_dict(), "decision": to_json(decision), "figures": figures,
            "provenance": {
                "data": cache.hash, "cameras": cache.cameras, "training": to_json(config), "held_out": judged.tolist(),
                "calibration": calibration.tolist(),
                "pretrained": classifier.pretrained,
            },
        }
    )  # fmt: skip
    return config.out


def _replays(
    cache: FrameCache, config: Config, training: np.ndarray, held_out: np.ndarray, world: World
) -> tuple[Replays, Replays] | None:
    if config.world_model is None or not config.imagines:
        return None
    model = load_world_model(config.world_model, device=world.device)
    return (
        replay(model, cache, training, seed=config.seed, device=world.device),
        replay(model, cache, held_out, seed=config.seed + 1, device=world.device),
    )


def _real(cache: FrameCache, episodes: np.ndarray) -> Examples:
    rows = np.concatenate([np.r_[cache.rows(episode)] for episode in episodes.tolist()])
    return Examples(images=cache.frames[rows], labels=cache.success[rows])


def _imagined(replays: Replays) -> Examples:
    valid = replays.valid.copy()
    valid[:, 0] = False
    return Examples(images=replays.frames[valid], labels=replays.success[valid])


def _train(
    classifier: SuccessClassifier, examples: list[Examples], config: Config, folder: Run, world: World, *, data: str
) -> None:
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    first = 0
    if (state := folder.resume(data=data)) is not None:
        classifier.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    imagined = round(config.imagined_share * config.batch) if len(examples) > 1 else 0
    classifier.train()
    with folder.progress(config.steps, done=first) as bar:
        for step in range(first, config.steps):
            rng = np.random.default_rng([config.seed, step])
            drawn = [examples[0].draw(config.batch - imagined, rng=rng)]
            drawn += [examples[1].draw(imagined, rng=rng)] if imagined else []
            images, labels = (torch.cat(parts).to(world.device) for parts in zip(*drawn, strict=True))
            random = RandomRows(config.seed, step, device=world.device)
            torch.manual_seed(int(rng.integers(2**31)))
            logits = classifier(random_shift(to_frames(images), config.shift, random=random))
            loss = F.binary_cross_entropy_with_logits(logits, labels.float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if (step + 1) % 25 == 0 or step + 1 == config.steps:
                folder.log(step + 1, {"loss": loss.item()})
                bar.set_postfix(loss=f"{loss.item():.4f}")
            bar.update()
            folder.save_if_due(
                lambda done=step + 1: {
                    "step": done, "weights": classifier.state_dict(), "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                }
            )  # fmt: skip


def _decide(
    classifier: SuccessClassifier, cache: FrameCache, held_out: np.ndarray, imagined: Replays | None, config: Config
) -> tuple[Decision, dict[str, float]]:
    """Temperature on held-out real frames; threshold by agreement in imagination, or by false positives."""
    device = next(classifier.parameters()).device
    real = _real(cache, held_out)
    logits = frame_logits(classifier, real.images, device=device)
    temperature = fit_temperature(logits, real.labels)
    probabilities = Decision(temperature=temperature).probabilities(logits)
    if imagined is None:
        threshold = threshold_for_false_positives(probabilities, real.labels, rate=config.false_positive_rate)
        agreement = {}
    else:
        scores = Decision(temperature=temperature).probabilities(
            frame_logits(classifier, imagined.frames, device=device)
        )
        peaks = episode_peaks(scores, imagined.valid, dwell=config.dwell)
        threshold = threshold_for_agreement(peaks, imagined.outcomes)
        called = peaks >= threshold
        agreement = {
            "imagined_agreement": float((called == imagined.outcomes).mean()),
            "imagined_success": float(called.mean()),
            "real_success": float(imagined.outcomes.mean()),
        }
    called_real = probabilities >= threshold
    figures = {
        "threshold": threshold,
        "temperature": temperature,
        "precision": float(real.labels[called_real].mean()) if called_real.any() else 0.0,
        "recall": float(called_real[real.labels].mean()),
        "false_positive_rate": float(called_real[~real.labels].mean()),
        "calibration_error": expected_calibration_error(probabilities, real.labels),
        **agreement,
    }
    return Decision(threshold=threshold, temperature=temperature, dwell=config.dwell), figures
