"""The protocol under a scheduler with simulated time, over histories drawn from a seed.

The parts are the real ones; time, the network, the queue and the mail server are simulated.
"""
