/** @file Functions that printed modules contain where an op of ours means something else than the nearest one of JAX. */

interface Helper {
  readonly source: string;
}

const divide = `def divide(a, b):
    """a / b of integers, rounded towards 0; a / 0 is a."""
    return jnp.where(b == 0, a, lax.div(a, jnp.where(b == 0, 1, b).astype(a.dtype)))`;

const isTrue = `def is_true(x):
    """Whether x is not 0 as a float32: true for NaN and for subnormal numbers."""
    if x.dtype == jnp.float64:
        return ~(jnp.abs(x) <= 2.0**-150)
    bits = lax.bitcast_convert_type(x.astype(jnp.float32), jnp.uint32)
    return (bits << 1) != 0`;

const randomBits = `def random_bits(key, site, step, index):
    """32 random bits: Threefry-2x32, key (key, site), counter (step, index), 20 rounds.

    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3. A pure
    function, so masks are the same in the forward and in the backward pass, on every
    device, and in cellgrad.
    """
    words = (jnp.asarray(word, jnp.uint32) for word in (key, site, step, index))
    key_0, key_1, x_0, x_1 = jnp.broadcast_arrays(*words)
    keys = (key_0, key_1, key_0 ^ key_1 ^ 0x1BD11BDA)
    x_0, x_1 = x_0 + key_0, x_1 + key_1
    for group in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x_0 = x_0 + x_1
            x_1 = ((x_1 << turn) | (x_1 >> (32 - turn))) ^ x_0
        x_0 = x_0 + keys[(group + 1) % 3]
        x_1 = x_1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x_0`;

const scatterAdd = `def scatter_add(indices, updates, rows):
    """Adds updates to rows of zeros at indices; past the end, to the last row."""
    zeros = jnp.zeros((rows, *updates.shape[indices.ndim :]), updates.dtype)
    return zeros.at[jnp.minimum(indices.astype(jnp.uint32), rows - 1)].add(updates)`;

const roundToHalf = `@jax.custom_jvp
def round_to_half(x):
    """The nearest float16; its gradient is that of x."""
    return x.astype(jnp.float16).astype(x.dtype)


@round_to_half.defjvp
def _round_to_half_jvp(primals, tangents):
    return round_to_half(*primals), *tangents`;

export const helpers = {
  divide: { source: divide },
  is_true: { source: isTrue },
  scatter_add: { source: scatterAdd },
  round_to_half: { source: roundToHalf },
  random_bits: { source: randomBits },
} satisfies Readonly<Record<string, Helper>>;

export type HelperName = keyof typeof helpers;

export function helperOf(name: HelperName): Helper {
  return helpers[name];
}
