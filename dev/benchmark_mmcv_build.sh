#!/usr/bin/env bash
# What dev/precompiling_cxx.sh saves: compiles mmcv ordinarily and with it, prints the CPU time (user +
# system) of both builds, their ratio, and which functions differ in their machine code.
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

# Unpacks what a build made and disassembles it.
code() {
  python -m zipfile -e "$folder/$1"/*.whl "$folder/$1/unpacked"
  objdump -d --demangle --no-addresses --no-show-raw-insn "$folder/$1"/unpacked/mmcv/_ext.*.so >"$folder/$1/code"
}

ordinary=$(build "$folder/ordinary" CXX="${CXX:-c++}")
precompiled=$(build "$folder/precompiled" REAL_CXX="${CXX:-c++}" CXX="$folder/compiler/cxx" \
  PRECOMPILED_HEADERS="$folder/headers")
python - "$ordinary" "$precompiled" <<'PYTHON'
import sys
ordinary, precompiled = map(float, sys.argv[1:])
print(f'CPU time of the build: {ordinary} s ordinary, {precompiled} s precompiled, ratio {ordinary / precompiled:.2f}')
PYTHON
code ordinary && code precompiled
python - "$folder/ordinary/code" "$folder/precompiled/code" <<'PYTHON'
import re, sys


def functions(path):
    """Name -> instructions, without the addresses, which differ from build to build."""
    found, body = {}, None
    for line in open(path, errors='replace'):
        if line.startswith('<') and line.rstrip().endswith('>:'):
            body = found.setdefault(line.strip(), [])
        elif body is not None and line.strip():
            text = re.sub(r'<.*>', '', line.split('#')[0])
            body.append(re.sub(r'-?(0x)?[0-9a-f]+(?=\(%rip\))|0x[0-9a-f]+|\b[0-9a-f]{4,}\b', 'N', text).split())
    return found


ordinary, precompiled = map(functions, sys.argv[1:])
names = ordinary.keys() | precompiled.keys()
differing = sorted(name for name in names if ordinary.get(name) != precompiled.get(name))
print(f'machine code: {len(names) - len(differing)} of {len(names)} functions are identical')
for name in differing:
    print(f'  differs: {name[:150]}')
PYTHON
