#!/usr/bin/env bash
# A C++ compiler that reads PyTorch's headers once: GCC with a precompiled torch/types.h, without
# debug information. Compiles mmcv's operators with a quarter of the CPU time; the code is the same.
#
#   CXX=dev/precompiling_cxx.sh PRECOMPILED_HEADERS=FOLDER [REAL_CXX=g++] pip wheel ...
#
# GCC takes a precompiled header only where it was made with the same flags. So it is made from those
# of the first source file, once for each set of flags, and nobody has to know them beforehand.
set -euo pipefail

cxx=${REAL_CXX:-c++}
source= flags=() arguments=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    -MF | -o) shift ;;
    -c | -MMD) ;;
    *.cpp | *.cc | *.cxx) source=$1 ;;
    *) flags+=("$1") ;;
  esac
  shift
done
# Links, asks for the version, compiles C: as it is. Clang takes no header of this kind.
if [ -z "$source" ] || [[ $("$cxx" -v 2>&1) == *clang* ]]; then
  exec "$cxx" "${arguments[@]}"
fi

folder=$PRECOMPILED_HEADERS/$(printf '%s\n' "$cxx" "${flags[@]}" | cksum | tr ' ' -)
header=$folder/torch_types.h
mkdir -p "$folder"
(
  # The compilers that started meanwhile wait for the header.
  if command -v flock >/dev/null; then flock 9; fi
  if [ ! -e "$header" ]; then
    echo '#include <torch/types.h>' >"$folder/new.h"
    # What it cannot precompile is compiled without: the header may be missing for a file of another kind.
    if "$cxx" "${flags[@]}" -g0 -x c++-header "$folder/new.h" -o "$folder/new.gch" 2>"$folder/log"; then
      mv "$folder/new.gch" "$header.gch"
    else
      : >"$folder/new.h"
    fi
    mv "$folder/new.h" "$header"
  fi
) 9>"$folder/lock"
# -Winvalid-pch: the log says it where GCC does not take the header and reads its text instead.
exec "$cxx" -include "$header" -Winvalid-pch "${arguments[@]}" -g0
