#!/bin/sh
# Install the workflow into a virtual environment: what `make environment` and `make development` run.
#   envs/install.sh VENV REQUIREMENTS...
# PYTHON: the interpreter; by default that of the environment if it exists, otherwise the newest suitable one found.
# TORCH_INDEX: where processor-only builds of torch are; tried first on Linux without an NVIDIA GPU. Empty: not tried.
set -u

venv=$1
shift
suitable='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
with_venv='import ensurepip, venv'

fail() {
  echo "$1" >&2
  exit 1
}

uv=$(command -v uv || true)
options=--disable-pip-version-check
made=$venv/bin/python

python=${PYTHON:-}
if [ -n "$python" ]; then
  command -v "$python" >/dev/null ||
    fail "PYTHON=$python is not there; give the path of Python 3.11, 3.12 or 3.13, or leave PYTHON out to use the newest one found."
  "$python" -c "$suitable" ||
    fail "PYTHON=$python is $("$python" --version 2>&1), but the workflow needs Python 3.11, 3.12 or 3.13; give the path of one of these: make environment PYTHON=/path/to/python3.12"
elif "$made" -c "$suitable" 2>/dev/null; then
  python=$made
else
  old=
  for name in python3.13 python3.12 python3.11 python3 python; do
    # A command of this name may be a stub that only reports that this version is not installed.
    "$name" -c "$suitable" 2>/dev/null || continue
    if [ -n "$uv" ] || "$name" -c "$with_venv" 2>/dev/null; then
      python=$name
      break
    fi
    old=${old:-$name}
  done
  [ -n "$python" ] || [ -z "$old" ] ||
    fail "$old has no module venv; install it (Debian and Ubuntu: apt-get install $old-venv), or name another Python 3.11, 3.12 or 3.13: make environment PYTHON=/path/to/python3.12"
  if [ -z "$python" ] && [ -z "$uv" ]; then
    other=$(python3 --version 2>/dev/null) || other="none"
    fail "Python 3.11, 3.12 or 3.13 is needed, and $other was found; install one of them (or uv, which brings one), or name it: make environment PYTHON=/path/to/python3.12"
  fi
fi

# Another version of Python does not see the packages of the environment, which is therefore made afresh.
version='import sys; print(sys.version_info[:2])'
if [ -x "$made" ] && [ -n "$python" ] && [ "$("$made" -c "$version" 2>/dev/null)" != "$("$python" -c "$version")" ]; then
  rm -rf "$venv"
fi
if [ "$python" != "$made" ]; then
  if [ -n "$uv" ]; then
    "$uv" venv --quiet --seed --allow-existing --python "${python:->=3.11,<3.14}" "$venv"
  else
    "$python" -m venv "$venv"
  fi || fail "The virtual environment $venv could not be made; see the error above."
fi

# uv does not read the variables of pip, by which a mirror or a folder of packages may be named.
if [ -n "$uv" ]; then
  [ -n "${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}" ] &&
    export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}"
  [ -n "${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}" ] && export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
fi

install() {
  if [ -n "$uv" ]; then
    "$uv" pip install --python "$made" "$@"
  else
    "$made" -m pip install $options "$@"
  fi
}

# An index that the user has set decides which build of torch there is.
has_own_index() {
  env | grep -Eq '^(PIP|UV)_(EXTRA_INDEX_URL|INDEX_URL|INDEX|DEFAULT_INDEX|FIND_LINKS|TORCH_BACKEND|NO_INDEX)=.' && return 0
  [ -z "$uv" ] && "$made" -m pip $options config list 2>/dev/null | grep -Eq '(index|find-links)'
}

if [ -n "${TORCH_INDEX:-}" ] && [ "$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1 &&
  ! "$made" -c 'import torch' 2>/dev/null; then
  pin=$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' requirements.txt)
  if [ "$TORCH_INDEX" = "${TORCH_INDEX_DEFAULT:-}" ] && has_own_index; then
    :
  elif install --quiet --no-deps --index-url "$TORCH_INDEX" "$pin" >/dev/null 2>&1; then
    echo "There is no NVIDIA GPU here: the processor-only build of $pin was installed."
  else
    echo "No processor-only build of $pin in $TORCH_INDEX: the build of the package index is installed, which may be that for CUDA, 3 GB larger."
  fi
fi

for file in "$@"; do set -- "$@" --requirement "$file"; shift; done
install "$@" ||
  fail "The packages could not be installed; see the error above. The installation needs a network (or a mirror: PIP_INDEX_URL, PIP_FIND_LINKS, HTTPS_PROXY) and 4 GB of disk, 8 GB with the CUDA build of torch. Installed packages are kept: fix the cause and start the same command again."
