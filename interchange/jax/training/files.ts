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


def digest_of(path):
    """Of every byte, unlike the fingerprint; the size as well."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            return digest + file.tell().to_bytes(8, "little")
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error


def agree(paths, fault):
    """Ends every process where one has a fault, or other files than process 0.

    Each reads its own rows and places its own weights: with other files they would
    train on batches of neither, without an error.
    """
    if jax.process_count() == 1:
        if fault is not None:
            raise fault
        return
    mine = np.zeros((len(paths), 40), np.uint8)
    try:
        if fault is None:
            mine[:] = [np.frombuffer(digest_of(path), np.uint8) for path in paths]
    except Fault as found:
        fault = found
    own = jax.process_index()
    every = multihost_utils.process_allgather(mine)
    if fault is not None:
        raise CommonFault(str(fault)) from fault
    for process, theirs in enumerate(every):
        if not theirs.any():
            raise CommonFault(f"process {process} has ended: see its line")
    differ = np.any(every != every[0], axis=2)
    if differ.any():
        here = own if differ[own].any() else int(np.argmax(differ.any(axis=1)))
        k = int(np.argmax(differ[here]))
        sizes = [
            f"{int.from_bytes(every[one, k, 32:].tobytes(), 'little'):,} bytes"
            for one in (here, 0)
        ]
        how = f": {sizes[0]}, not {sizes[1]}" if sizes[0] != sizes[1] else ""
        raise CommonFault(
            f"{paths[k]} of process {here} is not the file that process 0 has{how}"
        )
`;
