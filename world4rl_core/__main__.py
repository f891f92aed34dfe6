"""`python -m world4rl_core <command>` and `torchrun -m world4rl_core <command>` are the command `world4rl`."""

from world4rl_core.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
