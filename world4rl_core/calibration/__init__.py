"""Calibration of cameras: board, intrinsics, hand-eye, samples on disk, drift, rig files. Needs the extra `calibration`."""
