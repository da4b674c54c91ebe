"""Runs printed modules with JAX and compares their results with the interpreter's.

Usage: python test-jax.py FOLDER (f32|x64)

FOLDER has cases.json and the modules; a line of JSON per failure goes to stdout, then one
with the counts.
"""

import base64
import importlib.util
import json
import os
import sys
import traceback
import warnings

folder, precision = sys.argv[1:3]
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402

jax.config.update("jax_enable_x64", precision == "x64")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

# Numbers beyond float32 are infinite in it, as they are meant to be.
warnings.filterwarnings("ignore", message="overflow encountered")

tolerance = 1e-10 if precision == "x64" else 1e-5
float_type = np.float64 if precision == "x64" else np.float32
dtypes = {"f32": float_type, "i32": np.int32, "u32": np.uint32, "bool": np.bool_}


def numbers(array):
    data = np.frombuffer(base64.b64decode(array["data"]), np.float64)
    return data.reshape(array["shape"])


def value(array):
    with np.errstate(over="ignore"):
        return jnp.asarray(numbers(array).astype(dtypes[array["dtype"]]))


def argument(given):
    if isinstance(given, dict):
        if "tuple" in given:
            return tuple(value(array) for array in given["tuple"])
        return value(given)
    tree = {}
    for leaf in given:
        *above, last = leaf["keys"]
        inner = tree
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value(leaf["array"])
    return tree


def fault(got, wanted, scale):
    """A sentence about what differs, or None."""
    expected = numbers(wanted)
    got = np.asarray(got)
    dtype = dtypes[wanted["dtype"]]
    if got.dtype != dtype:
        return f"the dtype is {got.dtype}, not {np.dtype(dtype)}"
    if got.shape != expected.shape:
        return f"the shape is {got.shape}, not {expected.shape}"
    if got.dtype != float_type:
        wrong = got.astype(np.float64) != expected
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = expected.astype(float_type).astype(np.float64)
            number = got.astype(np.float64)
            limit = tolerance * np.maximum(scale, np.abs(rounded))
            near = np.abs(number - rounded) <= limit
        wrong = ~((number == rounded) | (np.isnan(number) & np.isnan(rounded)) | near)
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{got[place]} at {list(place)}, not {expected[place]}"


def check(case):
    path = os.path.join(folder, case["file"])
    spec = importlib.util.spec_from_file_location(case["file"][:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    f = getattr(module, case["call"])
    args = [argument(given) for given in case["args"]]
    scale = case.get("scale", 1.0)
    faults = []
    gradient = case.get("gradient")
    if gradient is None:
        results = jax.jit(f)(*args)
    else:

        def loss(moving):
            whole = list(args)
            for place, given in zip(gradient["of"], moving):
                whole[place] = given
            results = jax.tree.leaves(f(*whole))
            return results[0], results

        moving = [args[place] for place in gradient["of"]]
        (_, results), found = jax.jit(jax.value_and_grad(loss, has_aux=True))(moving)
        leaves = jax.tree.leaves(found)
        if len(leaves) != len(gradient["expected"]):
            faults.append(f"{len(leaves)} gradients, not {len(gradient['expected'])}")
        for i, (got, wanted) in enumerate(zip(leaves, gradient["expected"])):
            told = fault(got, wanted, scale)
            if told is not None:
                faults.append(f"gradient {i}: {told}")
    leaves = jax.tree.leaves(results)
    if len(leaves) != len(case["expected"]):
        faults.append(f"{len(leaves)} results, not {len(case['expected'])}")
    for i, (got, wanted) in enumerate(zip(leaves, case["expected"])):
        told = fault(got, wanted, scale)
        if told is not None:
            faults.append(f"result {i}: {told}")
    return faults


with open(os.path.join(folder, "cases.json"), encoding="utf-8") as file:
    cases = json.load(file)

failed = 0
for case in cases:
    try:
        faults = check(case)
    except Exception as error:
        lines = traceback.format_exc().strip().splitlines()
        place = next((line.strip() for line in reversed(lines) if case["file"] in line), "")
        faults = [f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''} {place}"]
    if faults:
        failed += 1
        print(json.dumps({"name": case["name"], "file": case["file"], "faults": faults}), flush=True)
print(json.dumps({"cases": len(cases), "failed": failed}), flush=True)
