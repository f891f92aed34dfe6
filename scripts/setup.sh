#!/usr/bin/env bash
# Bring a fresh Debian or Ubuntu machine to where every make target works: system packages, .venv, Python packages.
# What is there already is left alone. PYTHON names the interpreter (default python3); GPU=1 takes the CUDA build of
# torch on a machine without a GPU, as an image's build is. Where a ROS 2 is sourced, it is used instead of the wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Not grep -q: it would close the pipe early, and pipefail would take that for a failure.
has_library() { { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | grep "$1" >/dev/null; }
has_gpu() { [ -n "${GPU:-}" ] || command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep GPU >/dev/null; }
check_version() {
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "World4RL needs Python 3.11 or newer, and $python is $("$python" -V 2>&1)." \
      "Debian 12 and Ubuntu 24.04 have it as python3; elsewhere name one: make setup PYTHON=/path/to/python3.12"
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "missing system packages: $*. Without root or sudo this script cannot" \
      "install them; ask an administrator for: apt-get install $*"
    as_root=(sudo)
  fi
  command -v apt-get >/dev/null || fail "missing system packages: $* (Debian's names). There is no apt-get here;" \
    "install them with this system's package manager, then run the same command again"
  say "installing system packages: $*"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    fail "apt-get could not install $*; its message is above"
}

missing=()
if command -v "$python" >/dev/null; then
  check_version
elif [ "$python" = python3 ]; then
  missing+=(python3)
else
  fail "no such interpreter: PYTHON=$python"
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
# Meta-World renders in software, or through EGL where a GPU brings it.
has_library libOSMesa || { has_gpu && has_library libEGL; } || missing+=(libosmesa6)
has_library libhidapi-hidraw || missing+=(libhidapi-hidraw0)  # the SpaceMouse
has_library libusb-1.0 || missing+=(libusb-1.0-0)  # the RealSense
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"

check_version
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "$python cannot make virtual environments; install the venv package of that Python, then run the same command again"

.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv

constraints=(-c constraints/cpu.txt)
if has_gpu; then
  say "NVIDIA GPU found: taking the CUDA build of torch"
  constraints=()
fi
say "installing Python packages into .venv (minutes the first time)"
quiet=(); [ -t 1 ] || quiet=(-qq)
extras=sim,calibration,robot,ros,dev tools=()
if [ -n "${ROS_DISTRO:-}" ]; then
  say "ROS 2 $ROS_DISTRO is sourced: using it"
  extras=sim,calibration,robot,dev tools=(colcon-common-extensions 'setuptools<80')  # newer ones copy where colcon should link
fi
.venv/bin/python -m pip install "${quiet[@]}" "${constraints[@]}" "${tools[@]}" -e ".[$extras]" -e ros2_ws/src/world4rl
touch .venv/COLCON_IGNORE
