"""Writes weights of Flax cells, inputs, and the outputs that Flax computes for them.

Usage: python test-jax-flax.py FOLDER

For each case FOLDER gets NAME.safetensors, as a user of Flax writes it, and an entry of
flax.json: the inputs x [T, B, features] and the outputs y [T, B, outputs].
"""

import json
import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from flax import linen as nn  # noqa: E402
from flax import nnx  # noqa: E402
from flax.traverse_util import flatten_dict  # noqa: E402
from safetensors.flax import save_file  # noqa: E402

folder = sys.argv[1]
time, batch, features, units, outputs = 5, 2, 3, 4, 2
xs = jax.random.normal(jax.random.key(1), (time, batch, features))


class Stack(nn.Module):
    """Two recurrent layers and a dense one."""

    cell: type

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.RNN(self.cell(units), time_major=True)(x)
        return nn.Dense(outputs)(x)


class NnxStack(nnx.Module):
    def __init__(self, cell, rngs):
        self.first = nnx.RNN(cell(features, units, rngs=rngs), time_major=True)
        self.second = nnx.RNN(cell(units, units, rngs=rngs), time_major=True)
        self.head = nnx.Linear(units, outputs, rngs=rngs)

    def __call__(self, x):
        return self.head(self.second(self.first(x)))


def filled(tree):
    """Biases begin as zeros, which would hide what becomes of them."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    drawn = [0.5 * jax.random.normal(k, v.shape) for k, v in zip(keys, leaves)]
    return jax.tree.unflatten(structure, drawn)


cases = []


def case(name, params, y):
    save_file(
        {path: jnp.array(value) for path, value in params.items()},
        os.path.join(folder, f"{name}.safetensors"),
    )
    cases.append({"name": name, "y": np.asarray(y, np.float64).tolist()})


for cell in (nn.LSTMCell, nn.OptimizedLSTMCell, nn.GRUCell, nn.SimpleCell):
    module = Stack(cell)
    params = filled(module.init(jax.random.key(0), xs))
    case(
        f"linen-{cell.__name__}",
        flatten_dict(params, sep="/"),
        module.apply(params, xs),
    )

for cell in (nnx.LSTMCell, nnx.OptimizedLSTMCell, nnx.GRUCell, nnx.SimpleCell):
    module = NnxStack(cell, nnx.Rngs(0))
    state = filled(nnx.state(module, nnx.Param))
    nnx.update(module, state)
    paths = flatten_dict(nnx.to_pure_dict(state), sep="/")
    case(f"nnx-{cell.__name__}", paths, module(xs))

with open(os.path.join(folder, "flax.json"), "w", encoding="utf-8") as file:
    json.dump({"x": np.asarray(xs, np.float64).tolist(), "cases": cases}, file)
