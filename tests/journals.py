"""Journals made for tests: of any length in no time, and with any text in them."""

import numpy as np

from edgevolve.graph import Add, Conv2D, Dense, GraphBuilder, to_json
from edgevolve.runs.events import Asked, DeviceUsed, Failed, Finished, Rejected, Started

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`${1}&amp;%{x}\u2028=cmd|$x$ "

CONFIG = {
    "data": {"type": "Noise"},
    "space": {"type": "CnnSpace"},
    "problem": {
        "objectives": [
            {"metric": name, "direction": "minimise", "target": None, "scale": None}
            for name in ("error", "peak_memory_bytes", "model_size_bytes", "macs")
        ],
        "constraints": [
            {"metric": "error", "bound": 0.03, "sense": "at_most", "hard": False},
            {"metric": "model_size_bytes", "bound": 60_000, "sense": "at_most", "hard": True},
        ],
    },
    "algorithm": {"type": "AgingEvolution"},
    "training": {},
    "seed": 0,
    "evaluations": 100,
}


def started(name="made", config=CONFIG, **fields):
    return Started(time=1000.0, name=name, config=config, versions={"edgevolve": "0"}, data={}, workers=2, **fields)


def network(filters):
    net = GraphBuilder()
    x = net.input((1, 8, 8, 1))
    x = net.add(Conv2D(filters, (3, 3)), x)
    x = net.add(Add(), x, net.add(Conv2D(filters, (3, 3)), net.add(Conv2D(filters, (1, 1)), x)))
    return to_json(net.build(net.add(Dense(10), net.flatten(x))))


def asked(number, rng, text="[conv 3×3 8 bn relu, dw 3×3/2 relu] → avg-pool 2 → dense 31 → 10 logits", **fields):
    size = float(rng.integers(500, 50_000))
    metrics = {"peak_memory_bytes": float(rng.integers(100, 9000)), "model_size_bytes": size, "macs": size * 9}
    about = {
        "genotype": {"layers": [{"filters": int(size) % 64}]},
        "description": text,
        "change": "block 1, layer 1: filters 23 → 20",
        "parents": (number // 2,) if number else (),
        "metrics": metrics,
        "graph": network(int(rng.integers(1, 5))),
        "graph_hash": str(number),
    }
    return Asked(**({"time": 1000.0 + number, "number": number} | about | fields))


def rejected(number, rng, **fields):
    about = asked(number, rng).model_dump(exclude={"event", "graph", "graph_hash"})
    bound = "model_size_bytes ≤ 60000"
    about["metrics"] = about["metrics"] | {"model_size_bytes": 61_000.0}
    return Rejected(**(about | {"reason": f"breaks {bound}", "broken": (bound,)} | fields))


def finished(event, rng, **fields):
    error = float(np.clip(rng.normal(0.2, 0.1) + 300 / event.metrics["model_size_bytes"], 0.01, 0.9))
    ran = {"number": event.number, "started": event.time, "ended": event.time + 1.5, "worker": str(event.number % 2)}
    metrics = dict(event.metrics) | {"error": error}
    curve = tuple(np.round(np.geomspace(2, error, 20), 4).tolist())
    about = {"metrics": metrics, "curves": {"loss": curve, "validation_loss": curve, "validation_error": curve}}
    return Finished(time=event.time + 1.5, node="n", **(ran | about | fields))


def failed(event, kind="OSError", reason="the probe is not connected", traceback="Traceback: …", **fields):
    ran = {"number": event.number, "started": event.time, "ended": event.time + 1.5, "worker": str(event.number % 2)}
    return Failed(time=event.time + 1.5, node="n", kind=kind, reason=reason, traceback=traceback, **(ran | fields))


def write(folder, *history):
    """The journal of `history` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.jsonl").write_text("".join(event.model_dump_json() + "\n" for event in history))
    return folder


def long_history(evaluated, seed=0, rejections=0):
    """As many evaluations, one in 50 failed, one candidate in ten rejected; before each as many `rejections` more."""
    rng = np.random.default_rng(seed)
    yield started()
    number = -1
    for turn in range(evaluated):
        number += 1
        for _ in range(rejections + (turn % 10 == 9)):
            yield rejected(number, rng)
            number += 1
        event = asked(number, rng, parents=(max(number - 7, 0),) if number else ())
        yield event
        yield failed(event) if turn % 50 == 49 else finished(event, rng)


def unfinished():
    rng = np.random.default_rng(0)
    events = [asked(n, rng) for n in range(3)]
    return [started(), *events, finished(events[0], rng)]


def failed_only():
    rng = np.random.default_rng(0)
    events = [asked(n, rng) for n in range(3)]
    return [started(), *events, *map(failed, events)]


def single():
    event = asked(0, np.random.default_rng(0))
    return [started(), event, finished(event, np.random.default_rng(0), curves={})]


def rejected_only():
    rng = np.random.default_rng(0)
    return [started(), *(rejected(n, rng) for n in range(3))]


def predicted_history(evaluated, seed=0):
    """As `long_history`, with the latency on a device that does not exist as one more objective."""
    latency = {"metric": "latency_ms", "direction": "minimise", "target": None, "scale": None}
    problem = dict(CONFIG["problem"], objectives=[*CONFIG["problem"]["objectives"], latency])
    device = DeviceUsed(name="edge_tpu_v9", provenance="simulated from rumoured figures", metrics=("latency_ms",))
    for event in long_history(evaluated, seed):
        if isinstance(event, Started):
            event = started(config=dict(CONFIG, problem=problem), devices=(device,))
        elif isinstance(event, Asked | Rejected | Finished):
            value = event.metrics["macs"] / 100_000
            event = event.model_copy(update={"metrics": event.metrics | {"latency_ms": value}})
            if not isinstance(event, Finished):
                event = event.model_copy(update={"intervals": {"latency_ms": (0.9 * value, 1.2 * value)}})
        yield event


ODD = {"unfinished": unfinished, "failed": failed_only, "single": single, "rejected": rejected_only}
ODD["begun"] = lambda: [started()]


def hostile_history():
    rng = np.random.default_rng(0)
    long = "x" * 10_000
    metric = f"<b>{HOSTILE}</b>"
    problem = CONFIG["problem"]
    objectives = [*problem["objectives"], {"metric": metric, "direction": "minimise", "target": None, "scale": None}]
    objectives.append({"metric": f"{long}_bytes", "direction": "maximise", "target": None, "scale": None})
    config = dict(CONFIG, problem=dict(problem, objectives=objectives), algorithm={"type": HOSTILE}, seed=HOSTILE)
    device = DeviceUsed(name=f"{HOSTILE}{long}", provenance=HOSTILE, metrics=(metric, "error", "none"))
    yield started(name=f"../../{HOSTILE}{long}", config=config, devices=(device,))
    for number in range(4):
        event = asked(number, rng, text=f"{HOSTILE}{long}", change=HOSTILE, parents=(number + 1, 999, 0))
        event = event.model_copy(
            update={"intervals": {metric: (1e308, -1e308), "macs": (9e9, 0.0), "none": (0.0, 1.0)}}
        )
        extra = {metric: 10.0 ** (150 * (number - 1)), f"{long}_bytes": -1e308 if number else 1e308}
        about = {"worker": HOSTILE, "curves": {HOSTILE: (1e308, -1e308), "loss": ()}}
        yield event
        yield finished(event, rng, **about, metrics=dict(event.metrics) | {"error": 0.1 * number} | extra)
    event = asked(4, rng, genotype={"x": float("nan"), HOSTILE: float("inf")})
    yield event
    yield failed(event, kind=HOSTILE, reason=f"{HOSTILE}{long}", traceback=HOSTILE * 500)
