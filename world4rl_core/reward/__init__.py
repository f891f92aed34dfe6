"""The sparse reward: is this frame a success?"""
