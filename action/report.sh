#!/usr/bin/env bash
# Writes the run head to $RUNS/report: a page, a table of all trials, and what CI services read.
set -euo pipefail

mkdir -p "$RUNS/report"
show() {
    tlbench show head --results "$RUNS" --format "$1" -o "$RUNS/report/$2"
}

show html report.html || show markdown report.md # of a release without pages
show csv trials.csv
show junit junit.xml
show openmetrics metrics.txt
