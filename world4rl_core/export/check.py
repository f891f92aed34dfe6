"""`world4rl bundle check`: does a bundle still prove itself on this machine, and fast enough?"""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from world4rl_core.errors import BundleError, ConfigError
from world4rl_core.export.pictures import random_pictures
from world4rl_core.rig import load_rig
from world4rl_core.runtime.bundle import GOLDEN, disagreements
from world4rl_core.runtime.inference import OUTPUT, BundlePolicy, InferenceFault, Provider, SessionConfig

PARITY = 1e-4  # whatever the manifest allows
BUDGET_SHARE = 0.5  # of a control period; the rest is for cameras, transport and the arm
PICTURES = 16


@dataclass(frozen=True)
class Latency:
    """Seconds of one call with pictures that change, batch 1, buffers and checks included."""

    p50_s: float
    p99_s: float
    runs: int


def check(
    bundle: Path,
    *,
    rig: str | None = None,
    runs: int = 1000,
    budget_ms: float | None = None,
    provider: Provider = "auto",
    allow_cpu: bool = False,
) -> str:
    """Re-run the golden vectors, hold the bundle against a rig, measure latency, and name the provider really used.

    The budget is held by the 99th percentile; by default it is half a control period. Raises BundleError, after all
    checks, with everything that failed.
    """
    if runs < 1:
        raise ConfigError(f"runs must be at least 1, got {runs}")
    if budget_ms is not None and not 0 < budget_ms < float("inf"):
        raise ConfigError(f"budget-ms must be more than 0 milliseconds, got {budget_ms}")
    policy = BundlePolicy.open(bundle, SessionConfig(provider=provider, allow_cpu=allow_cpu))
    manifest = policy.manifest
    rate_hz = manifest.facts.action.rate_hz
    budget_s = budget_ms / 1e3 if budget_ms is not None else BUDGET_SHARE / rate_hz
    error, allowed = golden_error(policy, bundle), min(manifest.parity.tolerance, PARITY)
    latency = measure(policy, runs=runs)
    problems = [] if rig is None else disagreements(manifest.facts, load_rig(rig))
    if not error <= allowed:
        problems.append(f"golden vectors differ by {error:.2e}, allowed {allowed:.2e}")
    if latency.p99_s > budget_s:
        problems.append(f"p99 latency is {1e3 * latency.p99_s:.2f} ms, the budget {1e3 * budget_s:.2f} ms")
    lines = [
        f"{bundle}: rig {manifest.facts.rig or 'none'}, cameras {', '.join(c.name for c in manifest.facts.cameras)}, "
        f"{rate_hz:g} Hz, {policy.action_dim} action dimensions",
        f"  golden    largest difference {error:.2e} (allowed {allowed:.0e})",
        f"  latency   p50 {1e3 * latency.p50_s:.2f} ms, p99 {1e3 * latency.p99_s:.2f} ms over {runs} runs "
        f"(budget {1e3 * budget_s:.2f} ms)",
        f"  provider  {policy.provider} on {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
    ]
    if problems:
        raise BundleError("\n".join([*lines, *(f"  PROBLEM   {problem}" for problem in problems)]))
    return "\n".join(
        [*lines, "  ready" if manifest.facts.rig else "  ready for simulators; export with --rig to deploy"]
    )


def golden_error(policy: BundlePolicy, bundle: Path) -> float:
    """Largest difference of any action dimension from the stored answers.

    Raises BundleError for golden vectors that cannot be read or answered.
    """
    try:
        with np.load(bundle / GOLDEN) as stored:
            arrays = {name: stored[name] for name in stored.files}
        wanted = arrays.pop(OUTPUT)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BundleError(f"{bundle / GOLDEN}: not golden vectors ({error}); export the policy again") from error
    if not len(wanted) or any(len(frames) != len(wanted) for frames in arrays.values()):
        raise BundleError(f"{bundle / GOLDEN}: no golden vectors, or not one answer each; export the policy again")
    largest = 0.0
    for row, action in enumerate(wanted):
        try:
            got = policy.act({name: frames[row] for name, frames in arrays.items()})
        except InferenceFault as error:
            raise BundleError(f"{bundle}: golden vector {row}: {error}; export the policy again") from error
        largest = max(largest, float(np.abs(got - action).max()))
    return largest


def measure(policy: BundlePolicy, *, runs: int, seed: int = 0) -> Latency:
    """Times `runs` calls after a warm-up."""
    pictures = list(random_pictures(policy.manifest.facts.cameras, PICTURES, rng=np.random.default_rng(seed)))
    policy.warm_up(10)
    elapsed = np.empty(runs)
    for run in range(runs):
        started = time.perf_counter()
        policy.act(pictures[run % PICTURES])
        elapsed[run] = time.perf_counter() - started
    p50, p99 = np.quantile(elapsed, [0.5, 0.99]).tolist()
    return Latency(p50_s=p50, p99_s=p99, runs=runs)
