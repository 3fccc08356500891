"""`networks.h`, in C99: the costs of each network of a set, and the choice of one within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevolve.deployment.together import BEGINNING_BYTES


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of one network: its error (or another score that is best when small), arena and multiply-accumulates.

    `latency_ms` and `energy_uj` are a device's figures for one inference, 0 where they are unknown.
    """

    error: float
    arena_bytes: int
    macs: int
    latency_ms: float = 0.0
    energy_uj: float = 0.0


def networks_header(costs: Sequence[Cost], source: str) -> dict[str, str]:
    """`networks.h`, as text by name, for networks from the smallest error to the largest.

    `source` is a sentence on where the figures come from.
    """
    rows = "".join(
        f"    {{{_real(one.error)}, {one.arena_bytes}, {one.macs}, {_real(one.latency_ms)}, {_real(one.energy_uj)}}},\n"
        for one in costs
    )
    return {"networks.h": _HEADER % (len(costs), BEGINNING_BYTES, source, rows)}


def _real(value: float) -> str:
    return f"{float(np.float32(value))!r}f"


_HEADER = """\
// The networks of the set, and which one a budget allows.
#ifndef EDGEVOLVE_NETWORKS_H_
#define EDGEVOLVE_NETWORKS_H_

enum { kNetworks = %d, kNetworkBeginningBytes = %d };
enum {
  kNothingFits = -5,    // no network keeps all budgets
  kNoSuchNetwork = -6,  // networks are counted from 0
  kUnknownCost = -7     // there is a budget, and nobody knows that figure of the networks
};

// What a network needs for one answer. latency_ms and energy_uj are 0 where nobody knows them.
typedef struct {
  float error;
  int arena_bytes;
  long macs;
  float latency_ms;
  float energy_uj;
} Network;

// From the network that errs least to the one that errs most.
// %s
static const Network kNetworkCosts[kNetworks] = {
%s};

// Which network errs least of those that keep every budget: bytes of RAM for the arena, milliseconds and microjoules
// for one answer. A budget of 0 is none. Gives its number, kNothingFits or kUnknownCost.
static inline int pick_network(int arena_bytes, float latency_ms, float energy_uj) {
  int i;
  if (latency_ms > 0.0f && !(kNetworkCosts[0].latency_ms > 0.0f)) return kUnknownCost;
  if (energy_uj > 0.0f && !(kNetworkCosts[0].energy_uj > 0.0f)) return kUnknownCost;
  for (i = 0; i < kNetworks; ++i) {
    const Network* one = &kNetworkCosts[i];
    if (arena_bytes > 0 && one->arena_bytes > arena_bytes) continue;
    if (latency_ms > 0.0f && one->latency_ms > latency_ms) continue;
    if (energy_uj > 0.0f && one->energy_uj > energy_uj) continue;
    return i;
  }
  return kNothingFits;
}

// Microjoules for one answer where a battery of so many milliwatt-hours is to last for so many answers.
static inline float battery_budget_uj(float milliwatt_hours, float answers) {
  return milliwatt_hours * 3.6e6f / answers;
}

#endif  // EDGEVOLVE_NETWORKS_H_
"""
