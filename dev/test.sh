#!/usr/bin/env bash
# Set up a local environment, then check style and types and run the tests.
#
#   bash dev/test.sh [--family fork|upstream] [--slow] [pytest arguments]
#
# --slow adds the tests that take more than a minute. TEST_WORKERS sets how many run at once
# (default 2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

family=fork
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --family) family=${2:?--family needs fork or upstream}; shift 2 ;;
    --family=*) family=${1#*=}; shift ;;
    *) arguments+=("$1"); shift ;;
  esac
done

source dev/setup_env.sh "$family"
if [ "$family" = fork ]; then
  # Style and types do not depend on the family.
  ruff check .
  ruff format --check .
  mypy
fi
# One thread a test: several tests run side by side, and torch would otherwise use every core in
# each of them.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
python -m pytest -n "${TEST_WORKERS:-2}" ${arguments[@]+"${arguments[@]}"}
