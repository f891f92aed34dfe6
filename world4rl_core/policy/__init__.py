"""The policy that is cloned and refined: networks, augmentation, PPO."""
