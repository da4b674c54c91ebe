/**
 * @file Part of train.py: the data as a recording, whose entries are read where batches need them. A text is checked in one
 * pass and then read in pieces, as `disk/text-source.ts` does, so that it can be larger than a host's memory; so is a table.
 */
import type { TrainScriptOptions } from "./options.ts";

const bytes = `class Recording:
    """A file of bytes; what is not read is not in memory."""

    entries = "bytes"
    shape = ()

    def __init__(self, path, metadata):
        self.path, self.length = path, path.stat().st_size

    def read(self, first, count):
        with self.path.open("rb") as file:
            file.seek(first)
            content = np.frombuffer(file.read(count), np.uint8)
        if len(content) < count:
            raise Fault(f"{self.path} has changed during the run")
        return content.astype(np.int32)
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
PIECES_KEPT = 256


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
            if not content:
                raise Fault(f"{self.path} has changed during the run")
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
            tokens, _ = self.next_piece(self.offsets[i])
            if len(tokens) != self.firsts[i + 1] - self.firsts[i]:
                raise Fault(f"{self.path} has changed during the run")
            self.kept[i] = tokens
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

const table = String.raw`PIECE_ROWS = 4096
PIECES_KEPT = 1024


class Recording:
    """The rows of a table, normalised: the columns that the model knows.

    One pass checks it; pieces of it are then read on demand.
    """

    entries = "rows"

    def __init__(self, path, metadata, separator=None, decimal=None, missing=None):
        self.columns = json.loads(metadata["columns"])
        self.path, self.shape = path, (len(self.columns),)
        self.repeats = missing == "last"
        scale = json.loads(metadata.get("normalisation", '{"mean":0,"deviation":1}'))
        self.mean, self.deviation = (
            np.asarray(scale[key]) for key in ("mean", "deviation")
        )
        start = self.header((separator,) if separator else (",", ";", "\t", "|"))
        fault = None
        for notation in (decimal,) if decimal else ("point", "comma"):
            try:
                self.check(notation, start)
                return
            except Fault as found:
                fault = fault or found
        raise fault

    def header(self, separators):
        """Finds the separator that yields all columns, and where the rows begin."""
        for self.separator in separators:
            for row, _, place in self.rows((0, 0, None)):
                header = [name.strip() for name in row]
                if set(self.columns) <= set(header):
                    self.places = [header.index(name) for name in self.columns]
                    return place
                break
        columns = ", ".join(self.columns)
        raise Fault(f"{self.path} has no header with the columns {columns}")

    def check(self, notation, start):
        """Notes where each piece begins, if numbers have this notation."""
        self.group, self.point = (",", ".") if notation == "point" else (".", ",")
        self.grouped = re.compile(
            rf"[+-]?\d{{1,3}}(\{self.group}\d{{3}})+(\{self.point}\d*)?"
        )
        self.kept, self.pieces, self.length = {}, [start], 0
        while self.length == PIECE_ROWS * (len(self.pieces) - 1):
            values, after = self.next_piece(self.pieces[-1])
            self.keep(len(self.pieces) - 1, values)
            self.length += len(values)
            self.pieces.append(after)

    def lines(self, file):
        """The lines from here on; self.end is the byte after the last one."""
        self.end = file.tell()
        for content in file:
            for part in content.splitlines(keepends=True):
                try:
                    line = part.decode("utf-8-sig" if self.end == 0 else "utf-8")
                except UnicodeDecodeError as error:
                    where = f"byte {self.end + error.start}"
                    fault = f"{self.path} is damaged: {where} is not UTF-8"
                    raise Fault(fault) from error
                self.end += len(part)
                yield line

    def rows(self, place):
        """The rows from a place on: fields, line, and the place after them."""
        offset, line, _ = place
        with self.path.open("rb") as file:
            file.seek(offset)
            reader = csv.reader(self.lines(file), delimiter=self.separator)
            before = line
            try:
                for row in reader:
                    after = line + reader.line_num
                    if row:
                        yield row, before + 1, (self.end, after, None)
                    before = after
            except csv.Error as error:
                raise Fault(f"{self.path}, line {before + 1}: {error}") from error

    def next_piece(self, place):
        """The values of the piece that begins at a place, and the place after it."""
        values, last = [], place[2]
        for row, line, after in islice(self.rows(place), PIECE_ROWS):
            if len(row) <= max(self.places):
                raise Fault(f"{self.path}, line {line}: {len(row)} fields are too few")
            fields = [row[place].strip() for place in self.places]
            if self.repeats and last is not None:
                fields = [field or old for field, old in zip(fields, last)]
            values.append(
                [self.number(*field, line) for field in zip(fields, self.columns)]
            )
            last, place = fields, after
        values = np.array(values).reshape(len(values), *self.shape)
        scaled = (values - self.mean) / self.deviation
        return scaled.astype(np.float32), (*place[:2], last)

    def number(self, field, column, line):
        is_grouped = self.grouped.fullmatch(field)
        plain = field.replace(self.group, "") if is_grouped else field
        try:
            if self.group in plain:
                raise ValueError
            return float(plain.replace(self.point, "."))
        except ValueError:
            where = f"{self.path}, line {line}, {column}"
            raise Fault(f"{where}: {field!r} is not a number") from None

    def keep(self, i, values):
        if len(self.kept) == PIECES_KEPT:
            self.kept.pop(next(iter(self.kept)))
        self.kept[i] = values

    def piece(self, i):
        if i not in self.kept:
            values, _ = self.next_piece(self.pieces[i])
            if len(values) != min(PIECE_ROWS, self.length - i * PIECE_ROWS):
                raise Fault(f"{self.path} has changed during the run")
            self.keep(i, values)
        return self.kept[i]

    def read(self, first, count):
        parts = []
        while count > 0:
            i, start = divmod(first, PIECE_ROWS)
            part = self.piece(i)[start : start + count]
            parts.append(part)
            first, count = first + len(part), count - len(part)
        return np.concatenate(parts)
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
