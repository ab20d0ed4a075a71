#!/usr/bin/env bash
# What dev/precompiling_cxx.sh saves: compiles mmcv ordinarily and with it, prints the CPU time (user +
# system) of both builds, their ratio, and whether the machine code of every operator is the same.
#
#   source dev/setup_env.sh && bash dev/benchmark_mmcv_build.sh [REQUIREMENT] [FOLDER]
#
# About 15 minutes of CPU time; needs objdump (binutils).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
requirement=${1:-onedl-mmcv==2.3.6}
folder=${2:-$(mktemp -d)}
mkdir -p "$folder/compiler" "$folder/ordinary" "$folder/precompiled"
ln -sf "$root/dev/precompiling_cxx.sh" "$folder/compiler/cxx"
export MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN)}

# Prints the seconds of CPU time that the build took, all compilers included.
build() {
  local into=$1
  shift
  env "$@" python - "$requirement" "$into" <<'PYTHON'
import resource, subprocess, sys

requirement, folder = sys.argv[1:]
command = [sys.executable, '-m', 'pip', 'wheel', '-v', '--no-build-isolation', '--no-deps', '--no-cache-dir',
           '--no-binary', ':all:', '-w', folder, requirement]
with open(f'{folder}/log', 'w') as log:
    subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(round(used.ru_utime + used.ru_stime, 1))
PYTHON
}

# The instructions of every function, by name: addresses differ from build to build.
code() {
  python -m zipfile -e "$folder/$1"/*.whl "$folder/$1/unpacked"
  objdump -d --no-addresses --no-show-raw-insn "$folder/$1"/unpacked/mmcv/_ext.*.so
}

ordinary=$(build "$folder/ordinary" CXX="${CXX:-c++}")
precompiled=$(build "$folder/precompiled" REAL_CXX="${CXX:-c++}" CXX="$folder/compiler/cxx" \
  PRECOMPILED_HEADERS="$folder/headers")
python - "$ordinary" "$precompiled" <<'PYTHON'
import sys
ordinary, precompiled = map(float, sys.argv[1:])
print(f'CPU time of the build: {ordinary} s ordinary, {precompiled} s precompiled, ratio {ordinary / precompiled:.2f}')
PYTHON
code ordinary >"$folder/ordinary/code"
code precompiled >"$folder/precompiled/code"
if cmp -s "$folder/ordinary/code" "$folder/precompiled/code"; then
  echo 'machine code: identical'
else
  echo "machine code: differs ($folder/{ordinary,precompiled}/code)"
fi
