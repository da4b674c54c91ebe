"""Reads event files with TensorBoard's own reader, which checks lengths and checksums, and prints each as JSON. The exit code
is 1 if a file cannot be read to its end."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader


def main() -> int:
    for path in sys.argv[1:]:
        # The reader stops, without an error, at a record that is cut or changed.
        read = sum(16 + len(record) for record in RawEventFileLoader(path).Load())
        with open(path, "rb") as file:
            size = len(file.read())
        if read != size:
            print(f"{path}: {read} of {size} bytes can be read", file=sys.stderr)
            return 1
        curves = EventAccumulator(path, size_guidance={"scalars": 0, "tensors": 0}).Reload()
        tags = curves.Tags()
        scalars = {tag: [[point.step, point.value] for point in curves.Scalars(tag)] for tag in tags["scalars"]}
        texts = {
            tag: [[point.step, point.tensor_proto.string_val[0].decode()] for point in curves.Tensors(tag)]
            for tag in tags["tensors"]
        }
        print(json.dumps({"path": path, "scalars": scalars, "texts": texts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
