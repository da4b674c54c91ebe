/** @file Part of train.py: it reads and writes model files, and compares the data of all hosts. */
import type { TrainScriptOptions } from "./options.ts";

export const files = ({ reads }: TrainScriptOptions) => `# -- files


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


def fingerprint(path${reads === "table" ? ", reading" : ""}):
    """Tells another or a changed file, as cellgrad does."""
    try:
        size = path.stat().st_size
        length = min(size, FINGERPRINT_BYTES)
        digest = hashlib.sha256(${reads === "table" ? 'f"{size}{reading}"' : "str(size)"}.encode())
        with path.open("rb") as file:
            digest.update(file.read(length))
            file.seek(size - length)
            digest.update(file.read(length))
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    if size == 0:
        raise Fault(f"{path} is empty")
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
`;
