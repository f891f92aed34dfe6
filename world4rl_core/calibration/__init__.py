"""Calibration of cameras: board, intrinsics, hand-eye, samples, drift, rig files. Needs the extra `calibration`."""
