"""Training of networks: loop, optimizer, history, checkpoints, interrupts."""
