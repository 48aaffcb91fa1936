"""The harness: a plan of cells, executors, a store, metrics and a report.

It reaches plugins through the registry alone.
"""
