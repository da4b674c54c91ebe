/** @file Part of train.py: the parameters as a tree, and the devices that they and the batches are divided among. */

export const devices = () => `# -- parameters


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
    return jax.tree.map(np.array, tree)
`;
