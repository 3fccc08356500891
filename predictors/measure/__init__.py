"""Measuring networks on a device, the tables of what was measured, and how far predictions are from it."""
