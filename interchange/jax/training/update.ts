/** @file Part of train.py: one step of training, and the cost of a held-out batch. */
import type { TrainScriptOptions } from "./options.ts";

export const update = ({ isRandom }: TrainScriptOptions) => `# -- the update


def accumulated(gradient, slots, weight):
    """The mean gradient since the last update, and the weight of its batches."""
    count = slots["accumulatedWeight"] + weight
    mean = jax.tree.map(
        lambda before, new: before + (new - before) * (weight / count),
        slots["accumulated"],
        gradient,
    )
    return mean, count


def update_step(
    params, slots, step, state, x, targets, learning_rate${isRandom ? ", seed" : ""}, *, dtype, remat, every
):
    """One batch, and the update with the mean gradient of ${"`every`"} batches.

    Where a number is not finite, nothing changes but the last result.
    """

    def loss_of(params):
        low = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        given = {name: value.astype(dtype) for name, value in state.items()}
        cast_x = x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x
${
  isRandom
    ? `        key = model.step_key(seed, step)
        value, after = model.training_loss(low, given, cast_x, targets, key)
`
    : `        value, after = model.loss(low, given, cast_x, targets)
`
}        return value.astype(jnp.float32), {
            name: value.astype(jnp.float32) for name, value in after.items()
        }

    loss_of = jax.checkpoint(loss_of) if remat else loss_of
    (loss, next_state), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
    if every > 1:
        gradient, count = accumulated(gradient, slots, float(targets.size))
    squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
    norm = jnp.sqrt(sum(squares))
    next_step = step + 1
    own = {name: slots[name] for name in model.SLOTS}
    number = jnp.ceil(next_step / every)
    next_params, next_slots = model.update(
        params, gradient, norm, own, number, learning_rate
    )
    if every > 1:
        is_due = number * every == next_step

        def chosen(due, between):
            return jax.tree.map(partial(jnp.where, is_due), due, between)

        next_params = chosen(next_params, params)
        next_slots = chosen(next_slots, own)
        zeros = jax.tree.map(jnp.zeros_like, gradient)
        next_slots["accumulated"] = chosen(zeros, gradient)
        next_slots["accumulatedWeight"] = jnp.where(is_due, 0, count)
    changed = (next_params, next_slots, next_step, next_state)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(changed)]
    ok = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.all(jnp.stack(finite))
    kept = jax.tree.map(
        lambda new, old: jnp.where(ok, new, old), changed, (params, slots, step, state)
    )
    return *kept, jnp.stack([loss, norm, ok.astype(jnp.float32)])


class HeldOut:
    """The held-out losses of a run: which is the best, and what follows from them."""

    def __init__(self, losses, patience, follows_plateau):
        self.losses, self.patience = [], patience or math.inf
        self.follows_plateau = follows_plateau
        self.best, self.since_best = sys.float_info.max, 0
        self.lowest, self.bad, self.factor = math.inf, 0, 1.0
        for loss in losses:
            self.note(loss)

    def note(self, loss):
        """Whether a loss is the best so far."""
        is_best = loss < self.best
        self.best = min(loss, self.best)
        self.since_best = 0 if is_best else self.since_best + 1
        self.losses.append(loss)
        if self.follows_plateau:
            self.reduce_rate(loss)
        return is_best

    def reduce_rate(self, loss):
        """Halves the learning rate after two losses that do not improve by 1e-4."""
        margin = 1e-4 * abs(self.lowest) if math.isfinite(self.lowest) else 0.0
        if loss < self.lowest - margin:
            self.lowest, self.bad = loss, 0
            return
        self.bad += 1
        if self.bad > 1:
            self.factor, self.bad = self.factor / 2, 0

    def is_over(self):
        return self.since_best >= self.patience
`;
