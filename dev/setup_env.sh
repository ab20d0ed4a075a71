#!/usr/bin/env bash
# Make a local environment with PyTorch, a toolbox family and this package: .venv for the fork
# (default), .venv-upstream for upstream. Nothing outside the repository is touched.
#
#   bash dev/setup_env.sh [fork|upstream]      set up; a second run ends within seconds
#   source dev/setup_env.sh [fork|upstream]    the same, and put the environment first on PATH
#
# Needs Python 3.10-3.13 with venv, a C++ compiler and a package index. Settings:
#   PYTHON                which Python to use (default: the first that fits)
#   TORCH                 PyTorch version (default below). Which build of it, CPU-only or for a
#                         certain CUDA, is up to pip's own settings (PIP_EXTRA_INDEX_URL).
#   CXX                   the C++ compiler (default: c++)
#   MAX_JOBS              compilers at once (default: one per core)
#   LABELENC_MM_WHEELS    a folder that keeps the compiled mmcv for other clones of this repository

# 2.13.0 is the release that everything here was tested with; mmcv is compiled against it.
TORCH=${TORCH:-2.13.0}

setup_env::say() { printf '[setup] %s\n' "$*"; }

setup_env::fail() {
  printf '[setup] error: %s\n' "$*" >&2
  return 1
}

# Runs a command with its output in a log. Shows that it is alive, counts ninja's compile steps
# ([12/78]), and shows the end of the log when the command fails.
setup_env::run() {
  local what=$1 log=$2 start=$SECONDS every=60 counted status=0
  shift 2
  [ -t 1 ] && every=2
  setup_env::say "$what ..."
  "$@" >"$log" 2>&1 &
  local pid=$! next=$((SECONDS + every))
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if [ "$SECONDS" -ge "$next" ]; then
      counted=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$log" | tail -n 1 | tr -d ' ')
      if [ -t 1 ]; then
        printf '\r[setup] %s ... %ss %s ' "$what" $((SECONDS - start)) "$counted"
      else
        setup_env::say "$what ... $((SECONDS - start))s $counted"
      fi
      next=$((SECONDS + every))
    fi
  done
  wait "$pid" || status=$?
  [ -t 1 ] && printf '\r'
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" >&2
    setup_env::fail "$what failed with status $status; the whole log is $log"
    return 1
  fi
  setup_env::say "$what: done in $((SECONDS - start))s"
}

setup_env::find_python() {
  # 3.11 first: it is the one that was tested most.
  local candidate candidates=(python3.11 python3.12 python3.10 python3.13 python3 python)
  [ -n "${PYTHON:-}" ] && candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    # A version manager may offer a command that only says the version is not installed.
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
        >/dev/null 2>&1; then
      command -v "$candidate"
      return 0
    fi
  done
  setup_env::fail "no Python 3.10-3.13 among: ${candidates[*]}. Install one, or set PYTHON to its path."
}

setup_env::check_machine() {
  local python=$1
  "$python" -c 'import venv, ensurepip' 2>/dev/null || {
    setup_env::fail "$python has no venv or ensurepip. On Debian and Ubuntu: apt-get install python3-venv"
    return 1
  }
  command -v "${CXX:-c++}" >/dev/null || {
    setup_env::fail "no C++ compiler (${CXX:-c++}): mmcv's operators are compiled here. On Debian and Ubuntu: apt-get install g++"
    return 1
  }
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))' || {
    setup_env::fail "$python has no C headers (Python.h). On Debian and Ubuntu: apt-get install python3-dev"
    return 1
  }
}

# A ready-made wheel, where pip finds one for this Python and platform and its operators load with the
# torch of the environment, which no wheel's name tells. Prints nothing and returns 1 where there is none.
setup_env::ready_wheel() {
  local env=$1 spec=$2 folder=$3
  "$env/bin/python" -m pip download --only-binary :all: --no-deps -d "$folder" "$spec" \
    >"$env/mmcv_ready.log" 2>&1 || return 1
  "$env/bin/python" - "$folder"/*.whl >>"$env/mmcv_ready.log" 2>&1 <<'PYTHON'
import importlib.util, sys, tempfile, zipfile
import torch

with zipfile.ZipFile(sys.argv[1]) as wheel, tempfile.TemporaryDirectory() as folder:
    name = next(name for name in wheel.namelist() if name.startswith('mmcv/_ext.'))
    content = wheel.read(name)
    if torch.cuda.is_available() and b'libc10_cuda' not in content:
        sys.exit('compiled for CPUs alone, and there is a GPU')
    spec = importlib.util.spec_from_file_location('mmcv._ext', wheel.extract(name, folder))
    importlib.util.module_from_spec(spec)  # loads the library: symbols of another torch are missing
PYTHON
}

# The wheel of mmcv for the torch of the environment: kept from before, ready-made, or compiled.
setup_env::mmcv_wheel() {
  local root=$1 env=$2 spec=$3 wheels=$4 unfinished=$4.$$ compiler
  if compgen -G "$wheels/*mmcv*.whl" >/dev/null; then return 0; fi
  rm -rf "$unfinished" && mkdir -p "$unfinished"
  if setup_env::ready_wheel "$env" "$spec" "$unfinished"; then
    setup_env::say "$spec: taken ready-made"
  else
    rm -rf "$unfinished" && mkdir -p "$unfinished"
    setup_env::say "$spec: no ready-made wheel that fits; compiling it ($env/mmcv_ready.log says why)"
    # No build isolation: the build has to see our torch. No pip cache: pip would take a wheel
    # that was compiled against another torch, whose operators do not load.
    # ninja alone would start more compilers than there are cores, each of about 1 GB.
    # The build takes a space in CXX for the end of the command, and a clone may lie anywhere.
    compiler=$(mktemp -d) && ln -s "$root/dev/precompiling_cxx.sh" "$compiler/cxx" || return 1
    REAL_CXX=${CXX:-c++} CXX=$compiler/cxx PRECOMPILED_HEADERS=$unfinished/headers \
      MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN)} \
      setup_env::run "compiling $spec (about 2 minutes on 2 cores)" "$env/mmcv.log" \
      "$env/bin/python" -m pip wheel -v --no-build-isolation --no-deps --no-cache-dir \
      --no-binary :all: -w "$unfinished" "$spec" || return 1
  fi
  # Complete or not there, also where the build happened on another disk.
  mv "$unfinished"/*.whl "$wheels/" && rm -rf "$unfinished" "${compiler:-}"
}

# mmcv needs opencv-python, which needs libGL; where that is missing, the headless build of the
# same version has all that is used here.
setup_env::check_opencv() {
  local python=$1 log=$2 version
  "$python" -c 'import cv2' 2>/dev/null && return 0
  version=$("$python" -c 'import importlib.metadata as m; print(m.version("opencv-python"))')
  setup_env::run "opencv without libGL" "$log" "$python" -m pip install --force-reinstall --no-deps \
    "opencv-python-headless==$version" || return 1
  "$python" -c 'import cv2'
}

setup_env::install() {
  local root=$1 env=$2 mmcv=$3 python=$2/bin/python
  shift 3
  # setuptools 82 dropped pkg_resources, which mmcv's build and upstream mmengine import.
  setup_env::run 'installing build tools' "$env/tools.log" "$python" -m pip install -U pip wheel \
    'setuptools<82' ninja psutil numpy || return 1
  setup_env::run "installing torch $TORCH" "$env/torch.log" "$python" -m pip install \
    "torch==$TORCH" || return 1
  local key wheels
  # With a torch for CUDA, mmcv compiles CUDA operators where a GPU is seen, or on demand.
  key=$("$python" -c 'import os, platform, sys, torch
key = f"torch{torch.__version__}-{sys.implementation.cache_tag}-{platform.machine()}"
if torch.version.cuda and not torch.cuda.is_available() and os.environ.get("FORCE_CUDA") != "1":
    print("[setup] no GPU is visible: mmcv is compiled without CUDA operators. On a machine that only prepares "
          "the environment for others, set FORCE_CUDA=1 (needs nvcc)", file=sys.stderr)
    key += "-without-cuda"
print(key)')
  wheels=${LABELENC_MM_WHEELS:-$env/wheels}/${mmcv/==/-}-$key
  mkdir -p "$wheels"
  setup_env::mmcv_wheel "$root" "$env" "$mmcv" "$wheels" || return 1
  # One call for all, so that pip finds versions (numpy, opencv) that suit every part; torch and
  # setuptools are named again so that it keeps them.
  setup_env::run 'installing the toolboxes' "$env/toolboxes.log" "$python" -m pip install \
    "torch==$TORCH" 'setuptools<82' "$wheels"/*mmcv*.whl "$@" || return 1
  setup_env::run 'installing labelenc-mm' "$env/labelenc_mm.log" "$python" -m pip install \
    --no-build-isolation -e "$root[dev,pretrained,edges]" || return 1
  setup_env::check_opencv "$python" "$env/opencv.log"
}

setup_env::main() {
  local family=${1:-fork} root env mmcv python wanted
  local -a parts
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  case $family in
    fork)
      env=$root/.venv mmcv=onedl-mmcv==2.3.6
      parts=(onedl-mmengine==0.10.12 onedl-mmdetection==3.5.1 onedl-mmsegmentation==1.4.2) ;;
    upstream)
      # 2.1.0: mmdet 3.3.0 refuses mmcv 2.2.0. mmsegmentation imports ftfy and regex unasked.
      env=$root/.venv-upstream mmcv=mmcv==2.1.0
      parts=(mmengine==0.10.7 mmdet==3.3.0 mmsegmentation==1.2.2 ftfy regex) ;;
    *) setup_env::fail "unknown family '$family': fork or upstream"; return 1 ;;
  esac
  # Neither the caller's packages nor its user site may leak into the environment.
  unset PYTHONPATH PYTHONHOME
  export PYTHONNOUSERSITE=1
  wanted=$({ echo "$TORCH"; cat "${BASH_SOURCE[0]}" "$root/setup.py" "$root/pyproject.toml"; } | cksum)
  if [ "$(cat "$env/labelenc_mm.stamp" 2>/dev/null)" = "$wanted" ]; then
    setup_env::say "$env is up to date"
  else
    python=$(setup_env::find_python) || return 1
    setup_env::check_machine "$python" || return 1
    setup_env::say "setting up the $family family in $env with $("$python" --version)"
    [ -x "$env/bin/python" ] || "$python" -m venv "$env" || return 1
    (
      # A second set-up of the same environment waits for this one.
      if command -v flock >/dev/null; then flock 9; fi
      setup_env::install "$root" "$env" "$mmcv" "${parts[@]}"
    ) 9>"$env/setup.lock" || return 1
    "$env/bin/python" -m labelenc_mm.toolbox || return 1
    echo "$wanted" >"$env/labelenc_mm.stamp"
  fi
  export VIRTUAL_ENV=$env PATH=$env/bin:$PATH
}

# In one block: bash reads a script while it runs, and an update of this file during the long compile
# must not change what comes next.
{
  setup_env::main "$@" || return 1 2>/dev/null || exit 1
  return 0 2>/dev/null || exit 0
}
