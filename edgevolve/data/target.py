"""What a network is to answer, and how well it does."""

from edgevolve.metric import SHARE, Metric, register

ERROR = Metric("error", "error", SHARE, learned=True)

register(ERROR)
