"""Reference figures of PyTorch's recurrent layers in float64, for test/interchange/pytorch-figures.test.ts.

    python3 test/golden/torch_layers.py > test/golden/torch_layers.json

Any PyTorch from 1.13 on will do (Debian: apt-get install python3-torch); it is not needed to run the tests. Beside
torch_rnn.json, torch_lstm.json and torch_gru.json, which are single layers with given states, these are layers in two
directions on top of each other over sequences of different lengths, packed as PyTorch does it, and the ReLU network.

Layout: x, output, w are [time, batch, features]; h, c are [layers * directions, batch, hidden]; weights and their
gradients have PyTorch's names and shapes. The gradients are those of sum(w * output).
"""
import json
import sys

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

TIME, INPUT, HIDDEN = 5, 2, 3


def nested(tensor):
    return tensor.detach().tolist()


def figures(name, module, lengths):
    torch.manual_seed(29)
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -0.8, 0.8)
    batch = len(lengths)
    x = torch.randn(TIME, batch, INPUT, dtype=torch.float64, requires_grad=True)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    packed_output, final = module(packed)
    output, _ = pad_packed_sequence(packed_output, total_length=TIME)
    w = torch.randn(output.shape, dtype=torch.float64)
    loss = (w * output).sum()
    loss.backward()
    h, c = final if isinstance(final, tuple) else (final, None)
    return {
        "name": name,
        "layers": module.num_layers,
        "bidirectional": module.bidirectional,
        "hidden": HIDDEN,
        "lengths": lengths,
        "weights": {key: nested(value) for key, value in module.state_dict().items()},
        "x": nested(x),
        "w": nested(w),
        "output": nested(output),
        "h": nested(h),
        **({} if c is None else {"c": nested(c)}),
        "loss": loss.item(),
        "gradients": {key: nested(value.grad) for key, value in module.named_parameters()},
        "gradientX": nested(x.grad),
    }


def two_layers(kind, **options):
    return kind(INPUT, HIDDEN, num_layers=2, bidirectional=True, **options).double()


cases = [
    figures("rnn", two_layers(torch.nn.RNN), [5, 2, 3]),
    figures("relu-rnn", two_layers(torch.nn.RNN, nonlinearity="relu"), [5, 2, 3]),
    figures("lstm", two_layers(torch.nn.LSTM), [5, 2, 3]),
    figures("gru-reset-after", two_layers(torch.nn.GRU), [5, 2, 3]),
    figures("relu-rnn", torch.nn.RNN(INPUT, HIDDEN, nonlinearity="relu").double(), [5, 5]),
]
json.dump({"source": f"torch {torch.__version__}, float64, seed 29", "cases": cases}, sys.stdout, separators=(",", ":"))
print()
