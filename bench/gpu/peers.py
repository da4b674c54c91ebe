"""Times the same layers as run.mjs in PyTorch and JAX, if installed, and prints lines of JSON.

  python3 peers.py [--smoke] [--cells A,B] [--units N,...] [--batch N,...] [--time N,...] [--only WHO,...] [--out FILE]

float32 throughout, TF32 off. Contenders:
  pytorch-cudnn    nn.RNN, nn.LSTM, nn.GRU (on the CPU with --smoke)
  pytorch-cell     a cell in plain Python: input products for all steps at once, gates packed, a loop over time
  pytorch-compile  the same with its step in torch.compile
  jax-scan         jax.lax.scan in jit, input products for all steps at once, gates packed
Weights, inputs and cotangents use the formulas of shapes.ts, so that results can be compared.
"""
import argparse
import json
import math
import statistics
import sys
import time as clock

import numpy as np
from recurrent import GROUPS, jax_step, torch_step

# The GRU is cuDNN's form, whose reset gate acts after the product.
FORMS = {"rnn": "rnn", "lstm": "lstm", "gru": "gru-reset-after", "minimal-gated-unit": "minimal-gated-unit"}
# Gates in packing order, and whether a kernel's first rows multiply x.
CELLS = {cell: (sum(GROUPS[form], []), cell != "minimal-gated-unit") for cell, form in FORMS.items()}
GATES = ["hidden", "input", "forget", "output", "candidate", "update", "reset", "recurrent"]
CHECKED = 65536
PERIOD = 65537


def filled(shape, seed, scale):
    size = int(np.prod(shape))
    i = np.arange(min(size, PERIOD), dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    h = ((i + np.uint64(1)) * np.uint64(2654435761) + np.uint64(seed * 2246822519 & 0xFFFFFFFF)) & mask
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) & mask
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(3266489917)) & mask
    h ^= h >> np.uint64(16)
    numbers = (scale * (h.astype(np.float64) / 2**32 - 0.5)).astype(np.float32)
    return np.resize(numbers, size).reshape(shape)


def weights_of(cell, units):
    """Packed weights: wx [H, G*H], wh [H, G*H], bias [G*H], and a GRU's bias of the recurrent product."""
    gates, input_first = CELLS[cell]
    scale = 2 / math.sqrt(units)
    wx, wh, bias = [], [], []
    for gate in gates:
        seed = GATES.index(gate)
        bias.append(filled([units], 50 + seed, 0.1))
        if cell == "gru" and gate == "candidate":
            wx.append(filled([units, units], 10 + seed, scale))
            wh.append(filled([units, units], 10 + GATES.index("recurrent"), scale))
            continue
        kernel = filled([2 * units, units], 10 + seed, scale)
        first, second = kernel[:units], kernel[units:]
        wx.append(first if input_first else second)
        wh.append(second if input_first else first)
    recurrent_bias = filled([units], 50 + GATES.index("recurrent"), 0.1) if cell == "gru" else None
    return np.concatenate(wx, 1), np.concatenate(wh, 1), np.concatenate(bias), recurrent_bias


def rms(array):
    return float(np.sqrt(np.mean(np.square(np.asarray(array, dtype=np.float64)))))


def gradient_checks(cell, units, dwx, dwh):
    """Root mean square of each gate's whole kernel, under cellgrad's names; dwx and dwh are [H, G*H]."""
    checks = {}
    for g, gate in enumerate(CELLS[cell][0]):
        columns = slice(g * units, (g + 1) * units)
        if cell == "gru" and gate == "candidate":
            checks["candidate/kernel"] = rms(dwx[:, columns])
            checks["recurrent/kernel"] = rms(dwh[:, columns])
        else:
            checks[gate + "/kernel"] = rms(np.concatenate([dwx[:, columns], dwh[:, columns]]))
    return checks


def measure(once, wait, smoke):
    """Milliseconds per run, in groups that are enqueued back to back and awaited as a whole, as in run.mjs."""

    def group(runs):
        start = clock.perf_counter()
        for _ in range(runs):
            last = once()
        wait(last)
        return (clock.perf_counter() - start) / runs * 1000

    group(1)
    one = group(2)
    runs = max(1, min(2 if smoke else 50, round(100 / one)))
    groups = 2 if smoke else 3 if one > 1000 else 7
    return [group(runs) for _ in range(groups)]


class Torch:
    def __init__(self, smoke):
        import torch

        self.torch = torch
        self.smoke = smoke
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        if not smoke and not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no GPU")
        self.cuda = torch.cuda.is_available()
        self.device = "cuda" if self.cuda else "cpu"
        self.device_name = torch.cuda.get_device_name() if self.cuda else "processor"
        self.version = torch.__version__
        self.compiled = {}

    def people(self, cell):
        names = ["pytorch-cell", "pytorch-compile"]
        return names if cell == "minimal-gated-unit" else ["pytorch-cudnn", *names]

    def tensor(self, array, gradient=False):
        return self.torch.tensor(array, device=self.device, requires_grad=gradient)

    def wait(self, _):
        if self.cuda:
            self.torch.cuda.synchronize()

    def prepare(self, who, cell, units, batch, time, backward):
        torch = self.torch
        wx, wh, bias, recurrent_bias = weights_of(cell, units)
        x = self.tensor(filled([time, batch, units], 1, 2), backward)
        cotangent = self.tensor(filled([time, batch, units], 2, 1)) if backward else None
        if who == "pytorch-cudnn":
            forward, parameters, kernels = self.module(cell, units, wx, wh, bias, recurrent_bias)
        else:
            forward, parameters, kernels = self.loop(who, cell, units, wx, wh, bias, recurrent_bias)
        wanted = [*parameters, x]

        def once():
            if not backward:
                with torch.no_grad():
                    return forward(x), None
            outputs = forward(x)
            return outputs, torch.autograd.grad(outputs, wanted, cotangent)

        outputs, gradients = once()
        check = {"outputs": rms(outputs.detach().reshape(-1)[:CHECKED].cpu())}
        if backward:
            check["dx"] = rms(gradients[-1].reshape(-1)[:CHECKED].cpu())
            dwx, dwh = kernels(gradients)
            check.update(gradient_checks(cell, units, dwx.cpu().numpy(), dwh.cpu().numpy()))
        return once, check

    def module(self, cell, units, wx, wh, bias, recurrent_bias):
        torch = self.torch
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
        layer = kind(units, units).to(self.device)
        with torch.no_grad():
            layer.weight_ih_l0.copy_(self.tensor(wx.T.copy()))
            layer.weight_hh_l0.copy_(self.tensor(wh.T.copy()))
            layer.bias_ih_l0.copy_(self.tensor(bias))
            layer.bias_hh_l0.zero_()
            if recurrent_bias is not None:
                layer.bias_hh_l0[-units:] = self.tensor(recurrent_bias)
        parameters = [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0]
        return lambda x: layer(x)[0], parameters, lambda gradients: (gradients[0].T, gradients[1].T)

    def loop(self, who, cell, units, wx, wh, bias, recurrent_bias):
        torch = self.torch
        parameters = [self.tensor(array, True) for array in (wx, wh, bias)]
        if recurrent_bias is not None:
            parameters.append(self.tensor(recurrent_bias, True))
        step = torch_step(torch, FORMS[cell], units)
        sizes = [units * len(gates) for gates in GROUPS[FORMS[cell]]]
        if who == "pytorch-compile":
            if (cell, units) not in self.compiled:
                # All sizes share one code object, and PyTorch silently stops compiling it after some recompilations.
                torch._dynamo.reset()
                self.compiled = {(cell, units): torch.compile(step)}
            step = self.compiled[cell, units]

        def forward(x):
            hidden = x.new_zeros(x.shape[1], units)
            state = (hidden, hidden) if cell == "lstm" else (hidden,)
            outputs = []
            # Split once, not in every step: the gradient of a slice is an array as large as the whole.
            kernels = [kernel.contiguous() for kernel in parameters[1].split(sizes, 1)]
            for inputs in (x @ parameters[0] + parameters[2]).unbind(0):
                state = step(inputs, state, *kernels, *parameters[3:])
                outputs.append(state[0])
            return torch.stack(outputs)

        return forward, parameters, lambda gradients: (gradients[0], gradients[1])


class Jax:
    def __init__(self, smoke):
        import jax

        self.jax = jax
        # Full float32 products: TF32 off.
        jax.config.update("jax_default_matmul_precision", "highest")
        device = jax.devices()[0]
        if not smoke and device.platform == "cpu":
            raise RuntimeError("JAX sees no GPU")
        self.device_name = device.device_kind
        self.version = jax.__version__

    def people(self, _cell):
        return ["jax-scan"]

    def wait(self, last):
        self.jax.block_until_ready(last)

    def prepare(self, _who, cell, units, batch, time, backward):
        jax, jnp = self.jax, self.jax.numpy
        wx, wh, bias, recurrent_bias = weights_of(cell, units)
        extra = [] if recurrent_bias is None else [recurrent_bias]
        parameters = [jnp.asarray(array) for array in (wx, wh, bias, *extra)]
        x = jnp.asarray(filled([time, batch, units], 1, 2))
        step = jax_step(jax, FORMS[cell], units)
        ends = [units * len(gates) for gates in GROUPS[FORMS[cell]]][:-1]

        def forward(parameters, x):
            hidden = jnp.zeros((batch, units), x.dtype)
            state = (hidden, hidden) if cell == "lstm" else (hidden,)
            kernels = jnp.split(parameters[1], ends, 1)

            def body(state, inputs):
                state = step(inputs, state, *kernels, *parameters[3:])
                return state, state[0]

            return jax.lax.scan(body, state, x @ parameters[0] + parameters[2])[1]

        if backward:
            cotangent = jnp.asarray(filled([time, batch, units], 2, 1))

            def both(parameters, x, cotangent):
                outputs, pullback = jax.vjp(forward, parameters, x)
                return outputs, pullback(cotangent)

            compiled = jax.jit(both)
            once = lambda: compiled(parameters, x, cotangent)  # noqa: E731
            outputs, (dparameters, dx) = once()
        else:
            compiled = jax.jit(forward)
            once = lambda: compiled(parameters, x)  # noqa: E731
            outputs = once()
        check = {"outputs": rms(outputs.reshape(-1)[:CHECKED])}
        if backward:
            check["dx"] = rms(dx.reshape(-1)[:CHECKED])
            check.update(gradient_checks(cell, units, np.asarray(dparameters[0]), np.asarray(dparameters[1])))
        return once, check


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out")
    for name in ("cells", "units", "batch", "time", "only"):
        parser.add_argument("--" + name)
    options = parser.parse_args()
    words = lambda text, default: text.split(",") if text else default  # noqa: E731
    numbers = lambda text, full, small: [int(n) for n in words(text, small if options.smoke else full)]  # noqa: E731
    cells = words(options.cells, list(CELLS))
    units_list = numbers(options.units, [64, 128, 256, 512, 1024], [16])
    batches = numbers(options.batch, [16, 64, 256], [4])
    times = numbers(options.time, [100, 1000], [8])
    only = words(options.only, None)
    out = open(options.out, "a") if options.out else sys.stdout

    libraries = []
    for kind in (Torch, Jax):
        try:
            libraries.append(kind(options.smoke))
        except (ImportError, RuntimeError) as error:
            print(f"{kind.__name__}: left out ({error})", file=sys.stderr)
    for cell in cells:
        for units in units_list:
            for batch in batches:
                for time in times:
                    for library in libraries:
                        for who in library.people(cell):
                            if only and who not in only:
                                continue
                            for backward in (False, True):
                                name = "forward+backward" if backward else "forward"
                                print(f"{who} {cell} H={units} B={batch} T={time} {name}", file=sys.stderr)
                                line = {"who": who, "cell": cell, "units": units, "batch": batch, "time": time}
                                line |= {"pass": name, "device": library.device_name, "version": library.version}
                                try:
                                    once, check = library.prepare(who, cell, units, batch, time, backward)
                                    spent = measure(once, library.wait, options.smoke)
                                    line |= {
                                        "medianMs": statistics.median(spent),
                                        "minMs": min(spent),
                                        "repeats": len(spent),
                                        "check": check,
                                    }
                                except Exception as error:  # Such as out of memory: continue with the others.
                                    line["skipped"] = f"{type(error).__name__}: {error}"[:300]
                                print(json.dumps(line), file=out, flush=True)


if __name__ == "__main__":
    main()
