#!/usr/bin/env bash
# Writes the run head to $RUNS/report: the page, a table of all trials, and what CI services read.
set -euo pipefail

mkdir -p "$RUNS/report"
show() {
    tlbench show head --results "$RUNS" --format "$1" -o "$RUNS/report/$2"
}

show html report.html
show csv trials.csv
show junit junit.xml
show openmetrics metrics.txt
