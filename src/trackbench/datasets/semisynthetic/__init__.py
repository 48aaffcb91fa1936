"""The simulator: worms, views of worms and recordings with known truth, seeded and in batches.

`simulate.simulate` makes training views from a `bank.WormBank` of labeled worms, `yu2021` follows
the simulator of the fDNC paper, `shape` is what the package ships of the train worms.
"""
