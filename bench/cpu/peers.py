"""The process of a PyTorch or JAX contender on the CPU, and a probe for both libraries.

  python3 peers.py probe                                  prints versions, BLAS and threads as JSON
  python3 peers.py torch|jax MODEL FOLDER [--flush]       a contender, see protocol.ts

MODEL is the form of the recurrence:
  loop       a loop over time in plain Python (torch), jax.lax.scan (jax)
  module     torch.nn.LSTM
  doubling   a linear recurrence over all steps at once: log2(T) rounds (torch), jax.lax.associative_scan (jax)
FOLDER contains the case (case.json) and its weights and tokens (case.bin). --flush flushes denormals, in PyTorch. The
number of threads is set by OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS, before a library loads.
"""
import ctypes
import json
import os
import re
import sys
import time as clock

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "contenders"))
from recurrent import jax_step, torch_step  # noqa: E402

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def loaded_libraries():
    """Paths of the shared libraries of this process; empty if the system does not list them."""
    try:
        with open("/proc/self/maps") as maps:
            return sorted({line.split()[-1] for line in maps if ".so" in line})
    except OSError:
        return []


def blas_of(torch):
    """The BLAS that products run on, and whether it is the reference implementation, which is many times slower."""
    a = torch.ones(64, 64)
    (a @ a).sum().item()
    if torch.backends.mkl.is_available():
        found = re.search(r"Math Kernel Library Version (\S+)", torch.__config__.show())
        return "MKL" + (" " + found.group(1) if found else ""), False
    linked = [path for path in loaded_libraries() if "/site-packages/" not in path]
    # Products use libblas if there is one, even if LAPACK has loaded a better BLAS.
    named = lambda pattern: [path for path in linked if re.search(pattern, os.path.basename(path))]  # noqa: E731
    for path in named(r"^libblas[.-]") or named(r"^libopenblas"):
        library = ctypes.CDLL(path)
        # The symbol can also be in a dependency of the library.
        if hasattr(library, "openblas_get_config"):
            library.openblas_get_config.restype = ctypes.c_char_p
            library.openblas_get_corename.restype = ctypes.c_char_p
            name = " ".join(library.openblas_get_config().decode().split()[:2])
            core, threads = library.openblas_get_corename().decode(), library.openblas_get_num_threads()
            return f"{name}, kernels {core}, threads {threads}", False
        other = re.search(r"blis|mkl|atlas|accelerate", os.path.realpath(path), re.I)
        if other:
            return other.group(0), False
        return f"the reference BLAS ({os.path.basename(os.path.realpath(path))})", True
    return "a BLAS of its own", False


def probe():
    found = {"python": sys.version.split()[0]}
    try:
        import torch

        blas, is_reference = blas_of(torch)
        found["torch"] = {"version": torch.__version__, "blas": blas, "isReference": is_reference}
    except Exception as error:
        found["noTorch"] = f"{type(error).__name__}: {error}"[:200]
    try:
        import jax

        found["jax"] = {"version": jax.__version__}
    except Exception as error:
        found["noJax"] = f"{type(error).__name__}: {error}"[:200]
    return found


class Case:
    """cell, batch, time, vocabulary, embed, units, and arrays by name: `wh0`, `wh1` are the recurrent kernels."""

    def __init__(self, folder):
        import numpy as np

        with open(os.path.join(folder, "case.json")) as file:
            facts = json.load(file)
        self.__dict__.update(facts["sizes"], cell=facts["cell"])
        data = np.fromfile(os.path.join(folder, "case.bin"), dtype="<f4")
        self.arrays = {}
        for name, shape, offset in facts["arrays"]:
            size = int(np.prod(shape))
            self.arrays[name] = data[offset : offset + size].reshape(shape)
        # Small integers, which f32 stores exactly.
        self.tokens = self.arrays.pop("x").astype(np.int64)
        self.targets = self.arrays.pop("targets").astype(np.int64)
        self.groups = sum(name.startswith("wh") for name in self.arrays)


def torch_run(model, case, flush):
    import torch

    # Threads started later inherit it.
    if flush and not torch.set_flush_denormal(True):
        raise RuntimeError("this processor does not flush denormals")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    time, batch, units = case.time, case.batch, case.units
    p = {name: torch.nn.Parameter(torch.from_numpy(array.copy())) for name, array in case.arrays.items()}
    tokens, targets = torch.from_numpy(case.tokens), torch.from_numpy(case.targets)
    kernels = [p[f"wh{i}"] for i in range(case.groups)]
    parameters = list(p.values())

    if model == "module":
        layer = torch.nn.LSTM(case.embed, units)
        with torch.no_grad():
            layer.weight_ih_l0.copy_(p["wx"].T)
            layer.weight_hh_l0.copy_(p["wh0"].T)
            layer.bias_ih_l0.copy_(p["bias"])
        # nn.LSTM adds two biases and Adam would update both; the model has one.
        layer.bias_hh_l0.requires_grad_(False).zero_()
        parameters = [p["table"], p["headKernel"], p["headBias"]]
        parameters += [weight for weight in layer.parameters() if weight.requires_grad]

        def recurrence(embedded):
            return layer(embedded)[0]

    elif model == "doubling":

        def recurrence(embedded):
            x = torch.addmm(p["bias"], embedded.reshape(time * batch, -1), p["wx"]).reshape(time, batch, -1)
            z = torch.sigmoid(x[..., :units])
            # h[t] = a[t] h[t-1] + b[t]; each round combines every step with the one `reach` before it.
            a, b = 1 - z, z * x[..., units:]
            reach = 1
            while reach < time:
                b = torch.cat([b[:reach], b[reach:] + a[reach:] * b[:-reach]])
                a = torch.cat([a[:reach], a[reach:] * a[:-reach]])
                reach *= 2
            return b

    else:
        step = torch_step(torch, case.cell, units)

        def recurrence(embedded):
            x = torch.addmm(p["bias"], embedded.reshape(time * batch, -1), p["wx"]).reshape(time, batch, -1)
            hidden = torch.zeros(batch, units)
            state = (hidden, hidden) if case.cell == "lstm" else (hidden,)
            outputs = []
            for inputs in x.unbind(0):
                state = step(inputs, state, *kernels)
                outputs.append(state[0])
            return torch.stack(outputs)

    rates = {"lr": LEARNING_RATE, "betas": (BETA1, BETA2), "eps": EPSILON}
    try:
        optimizer = torch.optim.Adam(parameters, fused=True, **rates)
    except (RuntimeError, TypeError):  # Older versions have no fused Adam on the CPU.
        optimizer = torch.optim.Adam(parameters, **rates)

    def once():
        optimizer.zero_grad(set_to_none=True)
        embedded = torch.nn.functional.embedding(tokens, p["table"]).reshape(time, batch, -1)
        hidden = recurrence(embedded).reshape(time * batch, units)
        logits = torch.addmm(p["headBias"], hidden, p["headKernel"])
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    blas, is_reference = blas_of(torch)
    if is_reference:
        raise RuntimeError(f"PyTorch runs on {blas}, many times slower than any other; install libopenblas0-pthread")
    flushes = ", denormals flushed" if flush else ""
    facts = f"{blas}, threads {torch.get_num_threads()}{flushes}"
    return once, {"version": torch.__version__, "work": "gradient, Adam", "runsOn": facts}


def jax_run(model, case):
    import jax

    jnp = jax.numpy
    time, batch, units = case.time, case.batch, case.units
    tokens, targets = jnp.asarray(case.tokens), jnp.asarray(case.targets)
    step = jax_step(jax, case.cell, units)

    def loss_of(p):
        embedded = p["table"][tokens]
        x = (embedded @ p["wx"] + p["bias"]).reshape(time, batch, -1)
        if model == "doubling":
            z = jax.nn.sigmoid(x[..., :units])

            def join(first, second):
                return first[0] * second[0], first[1] * second[0] + second[1]

            hidden = jax.lax.associative_scan(join, (1 - z, z * x[..., units:]))[1]
        else:
            zero = jnp.zeros((batch, units), jnp.float32)
            kernels = [p[f"wh{i}"] for i in range(case.groups)]

            def body(state, inputs):
                state = step(inputs, state, *kernels)
                return state, state[0]

            hidden = jax.lax.scan(body, (zero, zero) if case.cell == "lstm" else (zero,), x)[1]
        logits = hidden.reshape(time * batch, units) @ p["headKernel"] + p["headBias"]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1)
        return -chosen.mean()

    def update(p, means, variances, count):
        loss, gradients = jax.value_and_grad(loss_of)(p)
        mean_of = lambda m, g: BETA1 * m + (1 - BETA1) * g  # noqa: E731
        variance_of = lambda v, g: BETA2 * v + (1 - BETA2) * g * g  # noqa: E731
        means = jax.tree.map(mean_of, means, gradients)
        variances = jax.tree.map(variance_of, variances, gradients)
        rate, root = LEARNING_RATE / (1 - BETA1**count), 1 / (1 - BETA2**count)
        moved = lambda w, m, v: w - rate * m / (jnp.sqrt(v * root) + EPSILON)  # noqa: E731
        return loss, jax.tree.map(moved, p, means, variances), means, variances

    compiled = jax.jit(update, donate_argnums=(0, 1, 2))
    p = {name: jnp.asarray(array) for name, array in case.arrays.items()}
    zeros = lambda: jax.tree.map(jnp.zeros_like, p)  # noqa: E731
    held = {"state": (p, zeros(), zeros()), "count": 0}

    def once():
        held["count"] += 1
        loss, *state = compiled(*held["state"], float(held["count"]))
        held["state"] = jax.block_until_ready(tuple(state))
        return float(loss)

    facts = f"{jax.devices()[0].platform}, {os.cpu_count()} cores"
    return once, {"version": jax.__version__, "work": "gradient, Adam", "runsOn": facts}


def serve(library, model, folder, flush, answer):
    case = Case(folder)
    once, facts = torch_run(model, case, flush) if library == "torch" else jax_run(model, case)
    answer(facts)
    for line in sys.stdin:
        request = json.loads(line)
        if request["kind"] == "end":
            return
        losses, milliseconds = [], []
        for _ in range(request["count"]):
            start = clock.perf_counter()
            losses.append(once())
            milliseconds.append((clock.perf_counter() - start) * 1000)
        answer({"losses": losses, "milliseconds": milliseconds})


LEARNING_RATE = 1e-3


def main():
    # Keeps the output of libraries off standard output, which is the protocol's.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=out, flush=True)

    if sys.argv[1:] == ["probe"]:
        answer(probe())
        return
    library, model, folder, *rest = sys.argv[1:]
    try:
        serve(library, model, folder, rest == ["--flush"], answer)
    except Exception as error:
        answer({"fault": " ".join(f"{type(error).__name__}: {error}".split())[:300]})
        sys.exit(1)


if __name__ == "__main__":
    main()
