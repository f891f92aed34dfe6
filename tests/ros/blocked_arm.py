"""Moves the arm for a second through the driver, then holds the interpreter's lock for as long as a test needs."""

import ctypes
import sys
import time

import numpy as np

from world4rl.drivers.franka import connect_arm
from world4rl_core.rig import load_rig

rig_file = next(word for word in sys.argv if word.startswith("rig:=")).removeprefix("rig:=")
arm = connect_arm(load_rig(rig_file), time.monotonic)
for _ in range(60):
    arm.command_twist(np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0]), 0.15)
    time.sleep(0.02)
sys.stdout.write("blocking\n")
sys.stdout.flush()
ctypes.PyDLL(None).usleep(120_000_000)  # PyDLL keeps the lock
