/** @file Part of train.py: the run, its progress and its files. */
import type { TrainScriptOptions } from "./options.ts";

export const run = ({ reads, isRandom }: TrainScriptOptions) => `# -- the run


class Run:
    """A run of training: that of a model file, or a new one of its weights."""

    def __init__(self, given):
        self.given = given
        start = start_of(given)
        tensors, self.metadata = read_model(start)
        self.before = before = json.loads(self.metadata.get("run", "{}"))
        self.batch = given.batch or before.get("batch", 16)
        self.time = given.time or before.get("time", 64)
        self.learning_rate = given.lr or before.get("learningRate", 0.002)
${isRandom ? '        self.seed = before.get("seed", 1) if given.seed is None else given.seed\n' : ""}        self.done = before.get("steps", 0)
        self.read(start)
        self.plan()
        self.place(tensors)

    def read(self, start):
        """Opens the data, which must be that of the run so far."""
        given, before = self.given, self.before
${
  reads === "table"
    ? `        options = {
            name: value
            for name in ("separator", "decimal", "missing")
            if (value := getattr(given, name)) is not None
        }
        reading = json.dumps(options, separators=(",", ":"), ensure_ascii=False)
        self.data = fingerprint(given.data, reading if options else "")
        self.recording = Recording(given.data, self.metadata, **options)
`
    : `        self.data = fingerprint(given.data)
        self.recording = Recording(given.data, self.metadata)
`
}        self.training, self.held_out = parts(
            given.data, self.recording, self.batch, self.time
        )
        own = (self.data, self.batch, self.time)
        if before and (before["data"], before["batch"], before["time"]) != own:
            raise Fault(
                f"{start} was trained on another file, or with other --batch or --time"
            )

    def plan(self):
        """How many batches there will be, and what is measured in between."""
        given, before = self.given, self.before
        left = max(before.get("planned", 0) - self.done, 0)
        self.steps = given.steps or left or 200
        self.planned = max(before.get("planned", 0), self.done + self.steps)
        self.update = dict(before.get("update", model.UPDATE))
        self.accumulate = given.accumulate or self.update.get("accumulate", 1)
        if before and self.accumulate != self.update.get("accumulate", 1):
            raise Fault("--accumulate is fixed by the run that goes on; leave it out")
        if self.accumulate > 1:
            self.update["accumulate"] = self.accumulate
        self.patience = given.patience or before.get("patience")
        follows_plateau = self.update.get("lrSchedule") == "plateau"
        self.every = given.eval_every or before.get("every")
        if self.every is None and (self.patience or follows_plateau):
            self.every = math.ceil(self.planned / MEASUREMENTS)
        most = before.get("evalBatches", EVAL_BATCHES)
        most = most if given.eval_batches is None else given.eval_batches
        self.eval_batches, count = most, self.held_out.count
        self.measured = count if most == 0 else min(count, most)
        if self.every and count == 0:
            raise Fault(f"{given.data} is too short to hold out a part of it")
        losses = before.get("losses", [])
        self.losses = HeldOut(losses, self.patience, follows_plateau)

    def place(self, tensors):
        """Puts weights, slots and state on the devices, and compiles the update."""
        given = self.given
        self.layout = layout = Layout(tensors, self.metadata)
        self.devices = devices = Devices(self.batch, given.model_devices)
        kept = {
            name.removeprefix("checkpoint/"): value
            for name, value in tensors.items()
            if name.startswith("checkpoint/")
        }
        own = tree_of({path: tensors[path] for path in layout.shapes})
        weights = layout.unpack(kept["parameters"]) if kept else own
        self.best = (self.losses.losses and own) or None
        self.best_step = self.done
        if self.best is not None:
            self.best_step = json.loads(self.metadata["training"])["steps"]
        self.params = devices.put_weights(weights)

        def slot(name):
            flat = kept.get(f"slots/{name}")
            tree = zeros_like(weights) if flat is None else layout.unpack(flat)
            return devices.put_weights(tree)

        def number(name):
            return devices.put(np.float32(kept.get(name, 0.0)), devices.sharding())

        self.slots = {name: slot(name) for name in model.SLOTS}
        if self.accumulate > 1:
            self.slots["accumulated"] = slot("accumulated")
            self.slots["accumulatedWeight"] = number("slots/accumulatedWeight")
        self.step = number("step")
        rows = devices.sharding("data")
        self.state = {
            name: devices.put(kept.get(f"state/{name}", zeros), rows)
            for name, zeros in self.zeros(self.batch).items()
        }
        fresh = self.zeros(self.batch).items()
        self.fresh = {name: devices.put(zeros, rows) for name, zeros in fresh}
        dtype = jnp.bfloat16 if given.dtype == "bf16" else jnp.float32
        self.advance = jax.jit(
            partial(update_step, dtype=dtype, remat=given.remat, every=self.accumulate),
            donate_argnums=(0, 1, 2),
        )
        self.cost = jax.jit(model.loss)

    def zeros(self, rows):
        return {
            name: np.zeros((rows, *shape), np.float32)
            for name, shape in model.STATES.items()
        }

    def arrays(self, part, window, over):
        """x and targets [time, rows, ...]; each process reads only its own rows."""
        steps = part.steps(window)
        shape = (steps, part.rows, *self.recording.shape)

        def ahead(shift):
            def values(place):
                firsts = [
                    part.first(row, window) + shift
                    for row in range(part.rows)[place[1]]
                ]
                rows = [self.recording.read(first, steps) for first in firsts]
                return np.stack(rows, axis=1)[place[0]]

            return jax.make_array_from_callback(shape, over, values)

        return ahead(0), ahead(1)

    def held_out_loss(self):
        """The mean over the first held-out batches; None without any."""
        part, devices = self.held_out, self.devices
        if part.count == 0:
            return None
        is_divided = part.rows % devices.mesh.shape["data"] == 0
        axis = "data" if is_divided else None
        state = {
            name: devices.put(zeros, devices.sharding(axis))
            for name, zeros in self.zeros(part.rows).items()
        }
        costs, steps = [], []
        for window in range(self.measured):
            over = devices.sharding(None, axis)
            x, targets = self.arrays(part, window, over)
            cost, state = self.cost(self.params, state, x, targets)
            costs.append(cost)
            steps.append(part.steps(window))
        return float(np.average([float(cost) for cost in costs], weights=steps))

    def measure(self, after):
        """Notes the held-out loss; whether it is the best so far."""
        loss = self.held_out_loss()
        is_best = self.losses.note(loss if math.isfinite(loss) else sys.float_info.max)
        if is_best:
            self.best, self.best_step = on_host(self.params), after
        self.say(f"held-out loss {loss:.6f}{', the best so far' if is_best else ''}")
        return is_best

    def say(self, line):
        if jax.process_index() == 0:
            print(line, flush=True)

    def settled(self, metrics, after):
        """The loss of a batch. Raises if it was not finite."""
        loss, norm, ok = (float(number) for number in metrics)
        if not ok:
            raise Fault(
                f"the loss or the gradient of step {after} is not finite "
                f"(loss {loss}, norm {norm}); "
                "lower --lr, or go on from the last file saved"
            )
        return loss

    def save(self, after, loss, held_out=None):
        """Writes the model: its best weights if they were measured, else the last."""
        host = on_host(
            {"params": self.params, "slots": self.slots, "state": self.state}
        )
        kept = {"parameters": self.layout.pack(host["params"])}
        for name, slot in host["slots"].items():
            is_tree = isinstance(slot, dict)
            value = self.layout.pack(slot) if is_tree else np.asarray(slot, np.float32)
            kept[f"slots/{name}"] = value
        kept["step"] = np.asarray(on_host(self.step), np.float32)
        for name, value in host["state"].items():
            kept[f"state/{name}"] = np.asarray(value)
        if self.best is not None:
            held_out = self.losses.best
        record = {
            "steps": after,
            "planned": max(after, self.planned),
            "batch": self.batch,
            "time": self.time,
            "seed": ${isRandom ? "self.seed" : 'self.before.get("seed", 1)'},
            "learningRate": self.learning_rate,
            "update": self.update,
            "data": self.data,
            "every": self.every,
            "patience": self.patience,
            "evalBatches": self.eval_batches,
            "losses": self.losses.losses,
        }
        training = json.loads(self.metadata.get("training", "{}"))
        training |= {
            "steps": after if self.best is None else self.best_step,
            "loss": loss,
            "learningRate": self.learning_rate,
            "valLoss": held_out,
        }
        if jax.process_index() == 0:
            best = host["params"] if self.best is None else self.best
            write_model(
                self.given.out,
                self.layout.named(best)
                | {f"checkpoint/{name}": value for name, value in kept.items()},
                self.metadata
                | {
                    "checkpoint": json.dumps(list(kept)),
                    "run": json.dumps(given_of(record)),
                    "training": json.dumps(given_of(training)),
                },
            )

    def train(self):
        given, total = self.given, self.done + self.steps
        kinds = sorted({device.device_kind for device in jax.devices()})
        where = f"{jax.device_count()} devices ({', '.join(kinds)})"
        entries = f"{self.recording.length:,} {self.recording.entries}"
        self.say(f"{given.data}: {entries}; {where}")
        first = None if self.before else self.held_out_loss()
        over = self.devices.sharding(None, "data")
        started, metrics = time.monotonic(), None
        for k in range(self.done, total):
            window, after = k % self.training.count, k + 1
            x, targets = self.arrays(self.training, window, over)
            self.params, self.slots, self.step, self.state, metrics = self.advance(
                self.params,
                self.slots,
                self.step,
                self.fresh if window == 0 else self.state,
                x,
                targets,
                self.learning_rate * self.losses.factor,
${isRandom ? "                np.uint32(self.seed),\n" : ""}            )
            if after % given.log_every == 0 or after == total:
                loss = self.settled(metrics, after)
                work = (after - self.done) * self.batch * self.time
                rate = work / (time.monotonic() - started)
                self.say(
                    f"step {after}/{total}  loss {loss:.6f}  "
                    f"{rate:,.0f} {self.recording.entries}/s"
                )
            is_due = given.save_every and after % given.save_every == 0
            if self.every and after % self.every == 0:
                self.settled(metrics, after)
                is_due = self.measure(after) or is_due
                if self.losses.is_over():
                    self.say("the held-out loss no longer falls")
                    total = after
            if is_due and after < total:
                self.save(after, self.settled(metrics, after))
            if after == total:
                break
        last = self.losses.best if self.best is not None else self.held_out_loss()
        self.save(total, self.settled(metrics, total), last)
        if last is not None:
            change = f"{last:.4f}" if first is None else f"{first:.4f} -> {last:.4f}"
            self.say(f"held-out loss {change} {UNIT}")
        self.say(f"saved {given.out}")


def given_of(record):
    """The entries that are not None."""
    return {name: value for name, value in record.items() if value is not None}


def start_of(given):
    """The model that the run starts from."""
    return given.resume or HERE / "weights.safetensors"


def run(given):
    """Trains, where all processes have all that they need."""
    ready, fault = None, None
    try:
        ready = Run(given)
    except Fault as found:
        fault = found
    agree((given.data, start_of(given)), fault)
    try:
        ready.train()
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        reason = str(error).splitlines()[0]
        raise Fault(
            f"another process has ended or cannot be reached ({reason}); "
            "start all of them again with --resume and the last file saved"
        ) from error


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
        run(given)
    except Fault as fault:
        print(f"train.py: {fault}", file=sys.stderr, flush=True)
        if isinstance(fault, CommonFault):
            # Else the line of another process would be JAX's, about this one.
            multihost_utils.sync_global_devices("ended")
        # Not a usual exit, which would wait for the other processes.
        os._exit(1)


if __name__ == "__main__":
    main()
`;
