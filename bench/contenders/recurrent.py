"""One step of recurrent cells in PyTorch and in JAX, for the CPU and GPU benchmarks.

A step takes the input products of all gates [B, G*H], the state, and the recurrent kernels: one for each group of gates
that share an operand. `gru-reset-after` also takes the bias of its recurrent product.
"""

# Gates in packing order, grouped by their shared recurrent product.
GROUPS = {
    "rnn": [["hidden"]],
    "lstm": [["input", "forget", "candidate", "output"]],
    "gru": [["reset", "update"], ["candidate"]],
    "gru-reset-after": [["reset", "update", "candidate"]],
    "minimal-gated-unit": [["forget"], ["candidate"]],
    "min-gru": [],
}


def torch_step(torch, cell, units):
    def rnn(x, state, wh):
        return (torch.tanh(torch.addmm(x, state[0], wh)),)

    def lstm(x, state, wh):
        h, c = state
        i, f, g, o = torch.addmm(x, h, wh).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def gru(x, state, gates, candidate):
        (h,) = state
        r, z = torch.sigmoid(torch.addmm(x[:, : 2 * units], h, gates)).chunk(2, 1)
        n = torch.tanh(torch.addmm(x[:, 2 * units :], r * h, candidate))
        return (n + z * (h - n),)

    def gru_reset_after(x, state, wh, bias):
        (h,) = state
        product = h @ wh
        r, z = torch.sigmoid(x[:, : 2 * units] + product[:, : 2 * units]).chunk(2, 1)
        n = torch.tanh(x[:, 2 * units :] + r * (product[:, 2 * units :] + bias))
        return (n + z * (h - n),)

    def minimal(x, state, forget, candidate):
        (h,) = state
        f = torch.sigmoid(torch.addmm(x[:, :units], h, forget))
        n = torch.tanh(torch.addmm(x[:, units:], f * h, candidate))
        return (h + f * (n - h),)

    def min_gru(x, state):
        (h,) = state
        return (torch.lerp(h, x[:, units:], torch.sigmoid(x[:, :units])),)

    steps = {"rnn": rnn, "lstm": lstm, "gru": gru, "gru-reset-after": gru_reset_after}
    return {**steps, "minimal-gated-unit": minimal, "min-gru": min_gru}[cell]


def jax_step(jax, cell, units):
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid

    def rnn(x, state, wh):
        return (jnp.tanh(x + state[0] @ wh),)

    def lstm(x, state, wh):
        h, c = state
        i, f, g, o = jnp.split(x + h @ wh, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        return sigmoid(o) * jnp.tanh(c), c

    def gru(x, state, gates, candidate):
        (h,) = state
        r, z = jnp.split(sigmoid(x[:, : 2 * units] + h @ gates), 2, 1)
        n = jnp.tanh(x[:, 2 * units :] + (r * h) @ candidate)
        return (z * h + (1 - z) * n,)

    def gru_reset_after(x, state, wh, bias):
        (h,) = state
        product = h @ wh
        r, z = jnp.split(sigmoid(x[:, : 2 * units] + product[:, : 2 * units]), 2, 1)
        n = jnp.tanh(x[:, 2 * units :] + r * (product[:, 2 * units :] + bias))
        return (z * h + (1 - z) * n,)

    def minimal(x, state, forget, candidate):
        (h,) = state
        f = sigmoid(x[:, :units] + h @ forget)
        n = jnp.tanh(x[:, units:] + (f * h) @ candidate)
        return ((1 - f) * h + f * n,)

    def min_gru(x, state):
        (h,) = state
        z = sigmoid(x[:, :units])
        return ((1 - z) * h + z * x[:, units:],)

    steps = {"rnn": rnn, "lstm": lstm, "gru": gru, "gru-reset-after": gru_reset_after}
    return {**steps, "minimal-gated-unit": minimal, "min-gru": min_gru}[cell]
