"""What a user, a file, a network or a robot can cause. Each message says what, got, wanted and the next step."""


class World4RLError(Exception):
    """Base of every error the command line prints as one message, without a traceback, before it exits 1."""


class ConfigError(World4RLError):
    """A setting is unknown, out of range or contradicts another one."""


class DataError(World4RLError):
    """A dataset is missing, malformed or unsuitable for what was asked of it."""


class CheckpointError(World4RLError):
    """A checkpoint is missing, damaged or was made for another architecture, dataset or action encoding."""


class SimulatorError(World4RLError):
    """A simulator cannot start or render; the message names the package to install."""


class TrustError(World4RLError):
    """The world model may not be trusted for what was asked; the message carries the evidence."""


class RigError(World4RLError):
    """A rig file is missing, has an unknown or missing key, or a limit that the robot cannot keep."""


class RobotError(World4RLError):
    """A robot, camera or operator device is missing, refuses or is in a state that a person must clear."""


class BundleError(World4RLError):
    """A deployment bundle is incomplete, changed, or does not fit the rig or the machine; it says all of it."""


class TrialError(World4RLError):
    """A trial session is damaged, of another sheet, or was asked for something its protocol forbids."""


class CalibrationError(World4RLError):
    """A calibration is refused; `reason` names the cause in a word that calibration/README.md explains."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
