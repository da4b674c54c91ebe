/**
 * @file train.py of an exported folder. It is the same for every model: what a model is stands in its model.py and in the
 * metadata of its file. Batches are cut as `train/data/batches.ts` does.
 */
export const trainScript = `"""Trains the model of model.py on all devices of all hosts; writes cellgrad models.

The weights are those of weights.safetensors, or of --resume FILE. Every file that this
program writes is a cellgrad model again: \`cellgrad sample\`, \`cellgrad forecast\` and the
playground read it, and \`cellgrad train --resume\` and --resume here go on with it.
"""

import argparse
import csv
import hashlib
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from safetensors import safe_open
from safetensors.numpy import save_file

import model

HERE = Path(__file__).parent
FINGERPRINT_BYTES = 65536


class Fault(Exception):
    """What is wrong with a file or an option, in one line."""


def options():
    parser = argparse.ArgumentParser(
        description="Train the model of model.py on a text or a table of numbers.",
        epilog="example: python train.py book.txt --steps 1000 --out book.safetensors",
    )
    add = parser.add_argument
    add("data", type=Path, help="a text, or for a series a .csv file with its columns")
    add(
        "--resume",
        type=Path,
        help="a model to go on with (default: weights.safetensors)",
    )
    add(
        "--out",
        type=Path,
        default=Path("trained.safetensors"),
        help="the trained model",
    )
    add("--steps", type=int, help="updates to make (default: those that are planned)")
    add("--batch", type=int, help="rows side by side (default: the model's, or 16)")
    add("--time", type=int, help="time steps per update (default: the model's, or 64)")
    add("--lr", type=float, help="learning rate (default: the model's, or 0.002)")
    add("--save-every", type=int, default=0, help="save after so many updates, too")
    add("--model-devices", type=int, default=1, help="devices that share each weight")
    add(
        "--dtype", choices=["f32", "bf16"], default="f32", help="of products and states"
    )
    add(
        "--remat",
        action="store_true",
        help="recompute the forward pass, to save memory",
    )
    add("--log-every", type=int, default=10, help="updates between lines of progress")
    add("--coordinator", help="HOST:PORT of the first of several processes")
    add("--processes", type=int, help="how many processes there are")
    add("--process", type=int, help="the number of this process, from 0")
    add("--timeout", type=int, default=100, help="seconds to wait for other processes")
    return parser.parse_args()


# -- files


def read_model(path):
    """The tensors and the metadata of a model file."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
    except Exception as error:
        raise Fault(f"{path} cannot be read as a model: {error}") from error
    if metadata.get("format") != "cellgrad":
        raise Fault(f"{path} is not a model of cellgrad; give one that it has written")
    return tensors, metadata


def write_model(path, tensors, metadata):
    """Writes the file beside its place first, so that it is always whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        save_file(tensors, part, metadata)
        os.replace(part, path)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error


def fingerprint(path):
    """Tells another or a changed file, as cellgrad does."""
    size = path.stat().st_size
    length = min(size, FINGERPRINT_BYTES)
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(length))
        file.seek(size - length)
        digest.update(file.read(length))
    return digest.hexdigest()


def check_same_file(path, data):
    """All processes must have the same file, of which each reads its own rows."""
    if jax.process_count() == 1:
        return
    digest = np.frombuffer(bytes.fromhex(data), np.uint8)
    every = multihost_utils.process_allgather(digest)
    own = jax.process_index()
    if not np.array_equal(every[own], every[0]):
        raise Fault(f"{path} of process {own} is not the file that process 0 has")


def read_data(path, metadata):
    """All entries of a recording: tokens [entries], or rows [entries, columns]."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    if metadata["kind"] == "series":
        return read_table(path, content, metadata)
    if "tokenizer" in metadata:
        raise Fault("this program reads characters and bytes, not a tokenizer's tokens")
    if metadata.get("tokens") == "bytes":
        return np.frombuffer(content, np.uint8).astype(np.int32)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(f"{path} is damaged: byte {error.start} is not UTF-8") from error
    token_of = {
        symbol: i for i, symbol in enumerate(json.loads(metadata["vocabulary"]))
    }
    stranger = next((symbol for symbol in text if symbol not in token_of), None)
    if stranger is not None:
        raise Fault(
            f"{path} has the character {stranger!r}, which the model does not know"
        )
    return np.fromiter((token_of[symbol] for symbol in text), np.int32, len(text))


def read_table(path, content, metadata):
    columns = json.loads(metadata["columns"])
    rows = list(csv.reader(content.decode("utf-8").splitlines()))
    header = rows[0] if rows else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise Fault(
            f"{path} has no column {missing[0]}; its columns are {', '.join(header)}"
        )
    places = [header.index(name) for name in columns]
    values = np.empty((len(rows) - 1, len(columns)))
    for i, row in enumerate(rows[1:]):
        try:
            values[i] = [float(row[place]) for place in places]
        except (IndexError, ValueError) as error:
            raise Fault(f"{path}, line {i + 2}: {error}") from error
    normalisation = json.loads(metadata["normalisation"])
    mean, deviation = (np.asarray(normalisation[key]) for key in ("mean", "deviation"))
    return ((values - mean) / deviation).astype(np.float32)


class Windows:
    """Where batches are in a recording: rows of equal length, walked side by side."""

    def __init__(self, path, length, batch, time):
        trained = length - int(length * 0.1)
        self.row_length = (trained - 1) // batch
        self.count = self.row_length // time
        self.batch, self.time = batch, time
        if self.count < 1:
            raise Fault(
                f"{path} has {trained} entries to train on, too few for batch {batch} "
                f"x time {time}: this needs {batch * time + 1}; "
                "make one of them smaller"
            )

    def at(self, entries, step, rows):
        """x, targets [time, rows, ...] of an update, and whether the state is fresh."""
        window = step % self.count
        first = np.arange(self.batch)[rows] * self.row_length + window * self.time
        places = first + np.arange(self.time)[:, None]
        return entries[places], entries[places + 1], window == 0


# -- parameters


def tree_of(named):
    """A tree of dicts of the parameters' paths."""
    tree = {}
    for path, value in named.items():
        *above, last = path.split("/")
        inner = tree
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return tree


def leaf_of(tree, path):
    for part in path.split("/"):
        tree = tree[part]
    return tree


class Layout:
    """The order of the parameters in the flat arrays of a checkpoint."""

    def __init__(self, tensors, metadata):
        self.shapes = {
            path: tensors[path].shape for path in json.loads(metadata["parameters"])
        }

    def unpack(self, flat):
        named, start = {}, 0
        for path, shape in self.shapes.items():
            size = int(np.prod(shape))
            named[path] = flat[start : start + size].reshape(shape)
            start += size
        return tree_of(named)

    def pack(self, tree):
        leaves = [np.asarray(leaf_of(tree, path), np.float32) for path in self.shapes]
        return np.concatenate([leaf.ravel() for leaf in leaves])

    def named(self, tree):
        return {
            path: np.asarray(leaf_of(tree, path), np.float32) for path in self.shapes
        }


def zeros_like(tree):
    return jax.tree.map(np.zeros_like, tree)


# -- devices


class Devices:
    """A mesh with an axis for the rows of a batch and one for wide weights."""

    def __init__(self, batch, per_weight):
        count = jax.device_count()
        if count % per_weight != 0:
            raise Fault(
                f"{count} devices cannot be divided by --model-devices {per_weight}"
            )
        rows = count // per_weight
        if batch % rows != 0:
            raise Fault(
                f"--batch {batch} must be a multiple of {rows}, the devices for rows"
            )
        self.per_weight = per_weight
        self.mesh = jax.make_mesh(
            (rows, per_weight), ("data", "model"), axis_types=(AxisType.Auto,) * 2
        )

    def sharding(self, *axes):
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def of_weight(self, leaf):
        """The last axis is divided, where all devices get equally much of it."""
        shape = np.shape(leaf)
        if self.per_weight == 1 or len(shape) == 0 or shape[-1] % self.per_weight != 0:
            return self.sharding()
        return self.sharding(*[None] * (len(shape) - 1), "model")

    def put(self, value, sharding):
        """An array on the devices; each process gives its own part of it."""
        return jax.make_array_from_callback(
            np.shape(value), sharding, lambda place: value[place]
        )

    def put_weights(self, tree):
        return jax.tree.map(lambda leaf: self.put(leaf, self.of_weight(leaf)), tree)


def on_host(tree):
    """The whole arrays, in every process."""
    if jax.process_count() > 1:
        return multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


# -- the update


def update_step(params, slots, step, state, x, targets, learning_rate, *, dtype, remat):
    """One update. Where a number is not finite, nothing changes but the last result."""

    def loss_of(params):
        low = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        given = {name: value.astype(dtype) for name, value in state.items()}
        cast_x = x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x
        value, after = model.loss(low, given, cast_x, targets)
        return value.astype(jnp.float32), {
            name: value.astype(jnp.float32) for name, value in after.items()
        }

    loss_of = jax.checkpoint(loss_of) if remat else loss_of
    (loss, next_state), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
    squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
    norm = jnp.sqrt(sum(squares))
    next_step = step + 1
    next_params, next_slots = model.update(
        params, gradient, norm, slots, next_step, learning_rate
    )
    changed = (next_params, next_slots, next_step, next_state)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(changed)]
    ok = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.all(jnp.stack(finite))
    kept = jax.tree.map(
        lambda new, old: jnp.where(ok, new, old), changed, (params, slots, step, state)
    )
    return *kept, jnp.stack([loss, norm, ok.astype(jnp.float32)])


# -- the run


def train(given):
    start = given.resume or HERE / "weights.safetensors"
    tensors, metadata = read_model(start)
    run = json.loads(metadata.get("run", "{}"))
    batch = given.batch or run.get("batch", 16)
    window = given.time or run.get("time", 64)
    learning_rate = given.lr or run.get("learningRate", 0.002)
    done = run.get("steps", 0)
    entries = read_data(given.data, metadata)
    windows = Windows(given.data, len(entries), batch, window)
    data = fingerprint(given.data)
    check_same_file(given.data, data)
    if run and (run["data"], run["batch"], run["time"]) != (data, batch, window):
        raise Fault(
            f"{start} was trained on another file, or with other --batch or --time"
        )
    steps = given.steps or max(run.get("planned", 0) - done, 0) or 200

    layout = Layout(tensors, metadata)
    devices = Devices(batch, given.model_devices)
    checkpoint = {
        name.removeprefix("checkpoint/"): value
        for name, value in tensors.items()
        if name.startswith("checkpoint/")
    }
    own = tree_of({path: tensors[path] for path in layout.shapes})
    weights = layout.unpack(checkpoint["parameters"]) if checkpoint else own
    params = devices.put_weights(weights)
    slots = {
        name: devices.put_weights(
            layout.unpack(checkpoint[f"slots/{name}"])
            if checkpoint
            else zeros_like(weights)
        )
        for name in model.SLOTS
    }
    step = devices.put(np.float32(checkpoint.get("step", 0.0)), devices.sharding())
    rows = devices.sharding("data")
    fresh = {
        name: np.zeros((batch, *shape), np.float32)
        for name, shape in model.STATES.items()
    }
    state = {
        name: devices.put(checkpoint.get(f"state/{name}", value), rows)
        for name, value in fresh.items()
    }
    zero_state = {name: devices.put(value, rows) for name, value in fresh.items()}
    dtype = jnp.bfloat16 if given.dtype == "bf16" else jnp.float32
    update = jax.jit(
        partial(update_step, dtype=dtype, remat=given.remat), donate_argnums=(0, 1, 2)
    )
    over_time = devices.sharding(None, "data")

    def batch_array(values, k):
        """Only the rows of this process are read."""
        shape = (window, batch, *entries.shape[1:])

        def part(place):
            return windows.at(entries, k, place[1])[values][place[0]]

        return jax.make_array_from_callback(shape, over_time, part)

    def save(after, loss):
        names = ["parameters", *[f"slots/{name}" for name in model.SLOTS], "step"]
        host = on_host({"params": params, "slots": slots, "step": step, "state": state})
        kept = {
            "parameters": layout.pack(host["params"]),
            **{
                f"slots/{name}": layout.pack(tree)
                for name, tree in host["slots"].items()
            },
            "step": np.asarray(host["step"], np.float32),
            **{
                f"state/{name}": np.asarray(value)
                for name, value in host["state"].items()
            },
        }
        names += [name for name in kept if name.startswith("state/")]
        record = {
            "steps": after,
            "planned": max(after, run.get("planned", done + steps)),
            "batch": batch,
            "time": window,
            "seed": run.get("seed", 1),
            "learningRate": learning_rate,
            "update": model.UPDATE,
            "data": data,
            "losses": [],
        }
        training = json.loads(metadata.get("training", "{}"))
        training.pop("valLoss", None)
        training |= {"steps": after, "loss": float(loss), "learningRate": learning_rate}
        if jax.process_index() == 0:
            write_model(
                given.out,
                layout.named(host["params"])
                | {f"checkpoint/{k}": v for k, v in kept.items()},
                metadata
                | {
                    "checkpoint": json.dumps(names),
                    "run": json.dumps(record),
                    "training": json.dumps(training),
                },
            )

    is_first = jax.process_index() == 0
    if is_first:
        kinds = sorted({device.device_kind for device in jax.devices()})
        where = f"{jax.device_count()} devices ({', '.join(kinds)})"
        print(f"{given.data}: {len(entries):,} entries; {where}", flush=True)
    started, at_start = time.monotonic(), done
    metrics = None
    for k in range(done, done + steps):
        _, _, is_fresh = windows.at(entries, k, slice(0, 1))
        params, slots, step, state, metrics = update(
            params,
            slots,
            step,
            zero_state if is_fresh else state,
            batch_array(0, k),
            batch_array(1, k),
            learning_rate,
        )
        after = k + 1
        is_due = after % given.log_every == 0 or after == done + steps
        if is_due:
            loss, norm, ok = (float(number) for number in metrics)
            if not ok:
                raise Fault(
                    f"the loss or the gradient of step {after} is not finite "
                    f"(loss {loss}, norm {norm}); "
                    "lower --lr, or go on from the last file saved"
                )
            if is_first:
                rate = (
                    (after - at_start) * batch * window / (time.monotonic() - started)
                )
                total = done + steps
                print(
                    f"step {after}/{total}  loss {loss:.6f}  {rate:,.0f} entries/s",
                    flush=True,
                )
        if given.save_every and after % given.save_every == 0 and after < done + steps:
            save(after, float(metrics[0]))
    save(done + steps, float(metrics[0]))
    if is_first:
        print(f"saved {given.out}")


def main():
    given = options()
    try:
        if given.coordinator is not None:
            if jax.config.jax_platforms == "cpu":
                jax.config.update("jax_cpu_collectives_implementation", "gloo")
            jax.distributed.initialize(
                given.coordinator,
                given.processes,
                given.process,
                initialization_timeout=given.timeout,
                heartbeat_timeout_seconds=given.timeout,
            )
        train(given)
    except Fault as fault:
        print(f"train.py: {fault}", file=sys.stderr, flush=True)
        # Not a usual exit, which would wait for the other processes.
        os._exit(1)


if __name__ == "__main__":
    main()
`;
