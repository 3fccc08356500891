"""Trained networks as files for the device, and their verification on the real runtimes."""
