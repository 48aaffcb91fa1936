"""Worms with known identities: real ones by protocol and split, simulated ones, and readers."""
