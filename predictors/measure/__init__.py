"""Measures networks on a device, reads tables of measurements, and compares predictions with them."""
