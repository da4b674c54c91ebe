/**
 * @file Part of train.py: the data as a recording, whose entries are read where batches need them. A text is checked in one
 * pass and then read in pieces, as `disk/text-source.ts` does, so that it can be larger than a host's memory.
 */
import type { TrainScriptOptions } from "./options.ts";

const bytes = `class Recording:
    """A file of bytes; what is not read is not in memory."""

    entries = "bytes"
    shape = ()

    def __init__(self, path, metadata):
        self.content = np.memmap(path, np.uint8, "r")
        self.length = len(self.content)

    def read(self, first, count):
        return self.content[first : first + count].astype(np.int32)
`;

/** How characters become tokens. */
const characters = `
    def encode(self, text, offset):
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        known = codes < len(self.token_of)
        tokens = np.where(known, self.token_of[np.where(known, codes, 0)], -1)
        if (strange := np.flatnonzero(tokens < 0)).size > 0:
            raise Fault(
                f"{self.path} has the character {text[strange[0]]!r}, "
                "which the model does not know"
            )
        return tokens

    def cut(self, content):
        """The length of the part that ends with a whole character; 0 for none."""
        for back in range(1, min(4, len(content)) + 1):
            lead = content[-back]
            if lead & 0xC0 != 0x80:
                size = 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)
                return len(content) - (0 if size <= back else back)
        return len(content)
`;

/** How a tokenizer's tokens are made. */
const tokens = String.raw`
    def encode(self, text, offset):
        return np.array(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def cut(self, content):
        """The length of the part before a line that follows a line; 0 for none."""
        for end in range(len(content) - 1, 1, -1):
            before, last, after = content[end - 2 : end + 1]
            if last == 10 and before not in b"\n\r \t" and after not in b"\n\r \t":
                return end
        return 0
`;

const text = (isCharacters: boolean) => String.raw`PIECE_BYTES = 1 << 18
PIECES_KEPT = 64


class Recording:
    """A text as tokens. One pass checks it; pieces of it are then read on demand."""

    entries = "${isCharacters ? "characters" : "tokens"}"
    shape = ()

    def __init__(self, path, metadata):
        self.path, self.kept = path, {}
${
  isCharacters
    ? `        symbols = [ord(symbol) for symbol in json.loads(metadata["vocabulary"])]
        self.token_of = np.full(max(symbols) + 1, -1, np.int32)
        self.token_of[symbols] = np.arange(len(symbols))
`
    : `        self.tokenizer = Tokenizer.from_str(metadata["tokenizer"])
`
}        offsets, firsts = [0], [0]
        while offsets[-1] < path.stat().st_size:
            tokens, size = self.next_piece(offsets[-1])
            offsets.append(offsets[-1] + size)
            firsts.append(firsts[-1] + len(tokens))
        self.offsets, self.firsts = offsets, np.array(firsts)
        self.length = firsts[-1]

    def next_piece(self, offset):
        """The tokens of the piece that begins at a byte, and its size."""
        size = PIECE_BYTES
        while True:
            with self.path.open("rb") as file:
                file.seek(offset)
                content = file.read(size)
            end = len(content) if len(content) < size else self.cut(content)
            if end > 0:
                break
            size *= 2
        try:
            text = content[:end].decode()
        except UnicodeDecodeError as error:
            where = offset + error.start
            raise Fault(f"{self.path} is damaged: byte {where} is not UTF-8") from error
        # A byte order mark is not part of the text.
        text = text.removeprefix("\ufeff") if offset == 0 else text
        return self.encode(text, offset), end
${isCharacters ? characters : tokens}
    def piece(self, i):
        if i not in self.kept:
            if len(self.kept) == PIECES_KEPT:
                self.kept.pop(next(iter(self.kept)))
            self.kept[i] = self.next_piece(self.offsets[i])[0]
        return self.kept[i]

    def read(self, first, count):
        i = int(np.searchsorted(self.firsts, first, "right")) - 1
        parts, start = [], first - self.firsts[i]
        while count > 0:
            part = self.piece(i)[start : start + count]
            parts.append(part)
            i, start, count = i + 1, 0, count - len(part)
        return np.concatenate(parts).astype(np.int32)
`;

const table = String.raw`class Recording:
    """The rows of a table, normalised: the columns that the model knows."""

    entries = "rows"

    def __init__(self, path, metadata, separator=None, decimal=None, missing=None):
        columns = json.loads(metadata["columns"])
        self.path, self.shape = path, (len(columns),)
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            where = f"byte {error.start}"
            raise Fault(f"{path} is damaged: {where} is not UTF-8") from error
        header, rows = self.split(lines, columns, separator)
        places = [header.index(name) for name in columns]
        fields = []
        for line, row in enumerate(rows, 2):
            if len(row) <= max(places):
                raise Fault(f"{path}, line {line}: {len(row)} fields are too few")
            fields.append([row[place].strip() for place in places])
        for before, row in pairwise(fields) if missing else ():
            row[:] = [field or last for field, last in zip(row, before)]
        notations = (decimal,) if decimal else ("point", "comma")
        values, fault = self.numbers(fields, columns, notations[0])
        if fault and len(notations) > 1:
            values, other = self.numbers(fields, columns, notations[1])
            fault = other and fault
        if fault:
            raise Fault(fault)
        scale = json.loads(metadata.get("normalisation", '{"mean":0,"deviation":1}'))
        mean, deviation = (np.asarray(scale[key]) for key in ("mean", "deviation"))
        self.values = ((values - mean) / deviation).astype(np.float32)
        self.length = len(values)

    def split(self, lines, columns, separator):
        """The header and the rows, by the separator that yields all columns."""
        for mark in (separator,) if separator else (",", ";", "\t", "|"):
            rows = [row for row in csv.reader(lines, delimiter=mark) if row]
            header = [name.strip() for name in rows[0]] if rows else []
            if set(columns) <= set(header):
                return header, rows[1:]
        raise Fault(f"{self.path} has no header with the columns {', '.join(columns)}")

    def numbers(self, fields, columns, notation):
        """The values, and the first fault of a field or None."""
        values = np.empty((len(fields), len(columns)))
        group, point = (",", ".") if notation == "point" else (".", ",")
        grouped = re.compile(rf"[+-]?\d{{1,3}}(\{group}\d{{3}})+(\{point}\d*)?")
        for i, row in enumerate(fields):
            for k, field in enumerate(row):
                plain = field.replace(group, "") if grouped.fullmatch(field) else field
                try:
                    if group in plain:
                        raise ValueError
                    values[i, k] = float(plain.replace(point, "."))
                except ValueError:
                    where = f"{self.path}, line {i + 2}, {columns[k]}"
                    return values, f"{where}: {field!r} is not a number"
        return values, None

    def read(self, first, count):
        return self.values[first : first + count]
`;

const recordings = { bytes, characters: text(true), tokens: text(false), table } as const;

export const recording = ({ reads }: TrainScriptOptions) => `# -- data


${recordings[reads]}

class Windows:
    """Where batches are in a part of a recording: rows that are walked side by side."""

    def __init__(self, start, rows, row_length, time, count):
        self.start, self.rows, self.row_length = start, rows, row_length
        self.time, self.count = time, count

    def steps(self, window):
        """The time steps of a batch; the last one of the held-out part is shorter."""
        return min(self.time, self.row_length - window * self.time)

    def first(self, row, window):
        return self.start + row * self.row_length + window * self.time


def parts(path, recording, batch, time):
    """The batches to train on, and those held out: the last tenth of a recording."""
    held_out = int(recording.length * 0.1)
    trained = recording.length - held_out
    row_length = (trained - 1) // batch
    count = row_length // time
    if count < 1:
        raise Fault(
            f"{path} has {trained} {recording.entries} to train on, too few for batch "
            f"{batch} x time {time}: this needs {batch * time + 1}; "
            "make one of them smaller"
        )
    rows = max(1, min(batch, held_out // time))
    length = held_out // rows
    return (
        Windows(0, batch, row_length, time, count),
        Windows(trained - 1, rows, length, time, math.ceil(length / time)),
    )
`;
