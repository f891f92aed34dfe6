"""The frozen world model as an environment."""
