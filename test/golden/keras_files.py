"""
Files as Keras 3 writes them, with what Keras computes of them, for test/cli/keras-files.test.ts. Not needed to run the
tests:

    pip install keras h5py scipy       (the numpy backend: nothing else is needed)
    KERAS_BACKEND=numpy python3 keras_files.py keras_files.json

Each file is packed with gzip, as most of an HDF5 file is empty. x is [batch, time, features] or tokens [batch, time].
"""
import base64, gzip, json, os, sys, tempfile
import keras
import numpy as np
from keras import layers as L

rng = np.random.default_rng(5)


def filled(model):
    """Numbers for all weights, biases too, with three decimals so that the file stays small."""
    model.set_weights([np.round(rng.uniform(-0.9, 0.9, w.shape), 3).astype("float32") for w in model.weights])
    return model


def written(model, ending):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m" + ending)
        (model.save_weights if ending == ".weights.h5" else model.save)(path)
        data = open(path, "rb").read()
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def case(name, model, x, endings):
    output = np.asarray(model.predict(x, verbose=0), "float64")
    files = {ending: written(model, ending) for ending in endings}
    return {"name": name, "files": files, "x": x.tolist(), "output": np.round(output, 7).tolist()}


numbers = np.round(rng.uniform(-1, 1, (2, 4, 3)), 2)
stack = [L.LSTM(3, return_sequences=True, name=f"lstm_{place}") for place in ("in", "hidden", "out")]
named = filled(keras.Sequential([keras.Input((None, 3)), *stack, L.Dense(3)], name="seq"))

tokens = keras.Input((None,), dtype="int32")
both = L.Embedding(5, 3, name="emb")(tokens)
for name in ("zz", "aa"):
    both = L.Dropout(0.2)(L.Bidirectional(L.GRU(2, return_sequences=True), name=name)(both))
functional = filled(keras.Model(tokens, L.Dense(5, name="out")(both)))

simple = L.SimpleRNN(3, activation="relu", return_sequences=True, name="first")
plain = filled(keras.Sequential([keras.Input((None, 3)), simple, L.TimeDistributed(L.Dense(2, use_bias=False))]))

before = [L.GRU(3, reset_after=False, return_sequences=True, name=name) for name in ("b", "a")]
gru = filled(keras.Sequential([keras.Input((None, 3)), *before]))

cases = [
    case("lstm", named, numbers, [".keras", ".weights.h5", ".h5"]),
    case("gru-reset-after", functional, rng.integers(0, 5, (2, 4)), [".keras", ".weights.h5", ".h5"]),
    case("relu-rnn", plain, numbers, [".keras"]),
    case("gru", gru, numbers, [".keras", ".weights.h5"]),
]
with open(sys.argv[1], "w") as file:
    json.dump({"source": f"Keras {keras.__version__}, numpy backend", "cases": cases}, file)
    file.write("\n")
