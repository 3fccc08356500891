"""What a network costs on a device: spec sheets, features, analytical and learned predictors of latency and energy."""
