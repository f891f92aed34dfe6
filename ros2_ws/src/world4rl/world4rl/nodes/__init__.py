"""Thin nodes, one a file; what they decide is in world4rl_core/runtime."""
