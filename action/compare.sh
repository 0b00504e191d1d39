#!/usr/bin/env bash
# Compares the run head with $BASE under the gates in $GATES, one a line: in the log and the step's summary, and as files.
set -euo pipefail

options=()
while IFS= read -r gate; do
    if [ -n "$gate" ]; then options+=(--gate "$gate"); fi
done <<< "$GATES"

compare() {
    tlbench compare "$BASE" head --results "$RUNS" ${options[@]+"${options[@]}"} "$@"
}

status=0
compare || status=$?
echo "status=$status" >> "$GITHUB_OUTPUT"
case "$status" in 0 | 3) ;; *) exit "$status" ;; esac

unset GITHUB_STEP_SUMMARY # it has the comparison already
mkdir -p "$RUNS/report"
for form in json junit markdown; do
    compare --only-changed --format "$form" -o "$RUNS/report/compare.$form" || test "$?" -eq 3
done
