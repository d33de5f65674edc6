"""Benchmarks of the sidecar: each measures it beside something else in the same run.

Read in this order: `main`, one benchmark (`miss`), `figures`, then what they stand on: `servers`, `load`, `prompts`.
"""
