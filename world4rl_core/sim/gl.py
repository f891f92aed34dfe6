"""Which OpenGL MuJoCo draws with, decided before MuJoCo is first imported."""

import ctypes
import ctypes.util
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

from world4rl_core.errors import SimulatorError

BACKEND_VARIABLE = "MUJOCO_GL"
DEBIAN_PACKAGES = {"osmesa": "libosmesa6", "egl": "libegl1"}
SHARED_LIBRARIES = {"osmesa": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"), "egl": ("libEGL.so.1", "libEGL.so")}
INSTALL_EXTRA = 'pip install "world4rl-core[sim]"'


def choose_backend(platform: str = sys.platform) -> str | None:
    """The GL backend MuJoCo should use, or None where its own default is right (macOS, Windows).

    The user's MUJOCO_GL wins; then EGL on an NVIDIA GPU; then OSMesa, which draws in software without a display;
    then EGL on Mesa's software driver. Raises SimulatorError, naming the Debian packages, when none is installed.
    """
    chosen = os.environ.get(BACKEND_VARIABLE)
    if chosen or not platform.startswith("linux"):
        return chosen or None
    preferred = ("egl", "osmesa") if _has_nvidia_gpu() else ("osmesa", "egl")
    for backend in preferred:
        if _is_installed(backend):
            return backend
    raise SimulatorError(
        "no OpenGL library to draw the simulator with: neither libOSMesa nor libEGL was found; "
        "install one: apt-get install libosmesa6 (software) or libegl1 (GPU)"
    )


def import_mujoco() -> ModuleType:
    """MuJoCo with a working off-screen GL backend.

    Raises SimulatorError, naming the package, when MuJoCo is not installed or its GL library cannot be loaded.
    """
    backend = choose_backend()
    chosen_late = "mujoco" in sys.modules and os.environ.get(BACKEND_VARIABLE) != backend
    if backend is not None:
        os.environ[BACKEND_VARIABLE] = backend
    try:
        import mujoco
        import mujoco.gl_context

        if chosen_late:  # somebody imported MuJoCo first, and it settled on a window system
            importlib.reload(mujoco.gl_context)
    except ModuleNotFoundError as error:
        raise SimulatorError(f"{error.name} is not installed; the simulator needs it: {INSTALL_EXTRA}") from error
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise gl_failure(error) from error
    return mujoco


def gl_failure(error: BaseException) -> SimulatorError:
    """What to tell the user when MuJoCo's GL library does not load or its context cannot be made."""
    backend = os.environ.get(BACKEND_VARIABLE, "")
    package = DEBIAN_PACKAGES.get(backend)
    if package is None:
        advice = f"unset {BACKEND_VARIABLE}, or set it to osmesa (apt-get install libosmesa6) or egl (libegl1)"
    else:
        other = "egl" if backend == "osmesa" else "osmesa"
        advice = f"apt-get install {package}, or {BACKEND_VARIABLE}={other} (apt-get install {DEBIAN_PACKAGES[other]})"
    return SimulatorError(f"MuJoCo cannot draw with {BACKEND_VARIABLE}={backend!r} ({error}); {advice}")


def _has_nvidia_gpu() -> bool:
    return Path("/dev/nvidiactl").exists() and any(Path("/dev").glob("nvidia[0-9]*"))


def _is_installed(backend: str) -> bool:
    for name in SHARED_LIBRARIES[backend]:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return ctypes.util.find_library({"osmesa": "OSMesa", "egl": "EGL"}[backend]) is not None
