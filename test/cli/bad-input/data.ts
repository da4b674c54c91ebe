/** @file Bad input: texts and tables that nothing can be learned from, and options that are not for them. */
import type { BadInput } from "./row.ts";

export const data: readonly BadInput[] = [
  ["a missing file", "train @absent.txt", "absent.txt: no such file"],
  ["a missing file with a name of many kinds", "train @größe-文.txt", "größe-文.txt: no such file"],
  ["no name", "train ''", '"": no such file'],
  ["a directory", "train @folder", "folder is a directory, not a file"],
  ["an empty text", "train @empty.txt", "empty.txt is empty"],
  [
    "a text with only a byte order mark",
    "train @bom.txt",
    "bom.txt: the text is empty; use one with some thousand characters",
  ],
  [
    "one character",
    "train @one.txt",
    'one.txt: the text has only one kind of character, "x"; there is nothing to learn from it',
  ],
  [
    "one kind of character",
    "train @same.txt",
    'same.txt: the text has only one kind of character, "x"; there is nothing to learn from it',
  ],
  [
    "only zeros",
    "train @zeros.txt",
    'zeros.txt: the text has only one kind of character, "\\u0000"; there is nothing to learn from it',
  ],
  ["a text that is not UTF-8", "train @latin1.txt", "latin1.txt is not UTF-8 text: invalid bytes at offset 3"],
  ["a text with a stray byte", "train @stray.txt", "stray.txt is not UTF-8 text: invalid bytes at offset 2"],
  ["a text that ends within a character", "train @cut.txt", "cut.txt is not UTF-8 text: invalid bytes at offset 3"],
  [
    "a text in UTF-16",
    "train @utf16.txt",
    "utf16.txt is not UTF-8 text: invalid bytes at offset 0; it looks like UTF-16: save it as UTF-8",
  ],
  [
    "a batch longer than the text",
    "train @text.txt --batch 400",
    "text.txt: the text has 648 characters to train on, too few for batch 400 x time 32: this needs 12801; make batch or time smaller",
  ],
  [
    "a time longer than the text",
    "train @text.txt --time 4000 --batch 1",
    "text.txt: the text has 648 characters to train on, too few for batch 1 x time 4000: this needs 4001; make batch or time smaller",
  ],
  [
    "a missing tokenizer",
    "train @text.txt --tokens @absent.json",
    "--tokens absent.json: no such file; give characters, bytes, or the path of a tokenizer.json",
  ],
  [
    "tokens of an unknown kind",
    "train @text.txt --tokens byte",
    "--tokens byte: no such file; give characters, bytes, or the path of a tokenizer.json",
  ],
  [
    "empty tokens",
    "train @text.txt --tokens=",
    '--tokens "": no such file; give characters, bytes, or the path of a tokenizer.json',
  ],
  [
    "a tokenizer that is a folder",
    "train @text.txt --tokens @folder",
    "--tokens folder is a directory, not a file; give characters, bytes, or the path of a tokenizer.json",
  ],
  [
    "a tokenizer that is other JSON",
    "train @text.txt --tokens @no-tokenizer.json",
    'no-tokenizer.json is not a tokenizer.json: Tokenizer must contain a "model" property',
  ],
  [
    "a tokenizer that is incomplete JSON",
    "train @text.txt --tokens @half.json",
    "half.json is not a tokenizer.json: …",
  ],
  [
    "tokens of a series",
    "train @series.csv --tokens bytes",
    "--tokens is for text; series.csv is read as a numeric series",
  ],
  ["columns of a text", "train @text.txt --columns a", "--columns is for a .csv or .tsv; text.txt is read as text"],
  ["an empty table", "train @empty.csv", "empty.csv is empty"],
  ["an empty table, and an embedding for it", "train @empty.csv --embed 3", "empty.csv is empty"],
  ["a table of empty lines", "train @blank.csv", "blank.csv is empty; give it a row of numbers for each time step"],
  ["a table with only a header", "train @head.csv", "head.csv has no row of numbers"],
  [
    "a table with a hole",
    "train @hole.csv",
    "hole.csv, line 3, b: the field is empty; expected a number (option missing: last repeats the previous value)",
  ],
  ["a table with a word", "train @word.csv", 'word.csv, line 3, b: the field is "four"; expected a number'],
  [
    "a table with NaN",
    "train @nan.csv",
    'nan.csv, line 3, a: the field is "NaN"; expected a number (option missing: last repeats the previous value)',
  ],
  ["a table with infinity", "train @infinity.csv", 'infinity.csv, line 3, b: the field is "-inf"; expected a number'],
  [
    "a table with a number that f32 cannot hold",
    "train @huge.csv",
    'huge.csv, line 3, b: the field is "1e39"; expected a number in the range of float32',
  ],
  ["a table with a short row", "train @ragged.csv", "ragged.csv, line 3: expected 2 fields, as in line 1, got 1"],
  [
    "a table with an empty line",
    "train @gap.csv",
    'gap.csv, line 3: the line is empty, and "5" follows in line 4; remove empty lines, and text that is not part of the table',
  ],
  [
    "a table with an open quote",
    "train @quote.csv",
    "quote.csv: Quote Not Closed: the parsing is finished with an opening quote at line 3",
  ],
  [
    "a table of dates",
    "train @dates.csv",
    "dates.csv, line 2: all fields are dates; a series needs a column of numbers as well",
  ],
  [
    "a table with ambiguous commas",
    "train @commas.csv",
    'commas.csv, line 2, a: the field is "1,500", which means 1500 or 1.5, and no other field shows which; set option decimal to point or comma',
  ],
  [
    "a table with points and commas for decimals",
    "train @mixed.csv",
    'mixed.csv, line 3, a: the field is "2,5" and in line 2, a, it is "1.5": one has a decimal point and one a decimal comma; use one of them everywhere',
  ],
  ["an unknown separator", "train @series.csv --separator tabs", 'separator is "tabs"; expected comma, …'],
  [
    "an unknown decimal mark",
    "train @series.csv --decimal dot",
    "option '--decimal <mark>' argument 'dot' is invalid. Allowed choices are point, comma; see --help",
  ],
  [
    "filling missing values with zero",
    "train @hole.csv --missing zero",
    "option '--missing <how>' argument 'zero' is invalid. Allowed choices are last; see --help",
  ],
  [
    "a decimal mark for a text",
    "train @text.txt --decimal comma",
    "--decimal is for a .csv or .tsv; text.txt is read as text",
  ],
  [
    "a table in UTF-16",
    "train @utf16.csv",
    "utf16.csv is not UTF-8 text: invalid bytes at offset 0; it looks like UTF-16: save it as UTF-8",
  ],
  [
    "two columns of one name",
    "train @twice.csv",
    'twice.csv, line 1: two columns are called "a"; give each its own name',
  ],
  [
    "a column named twice",
    "train @series.csv --columns b,b",
    '--columns must be different names, such as a,b, got "b,b"',
  ],
  [
    "a column named by name and by number",
    "train @series.csv --columns b,2",
    'series.csv: column "b" is asked for twice; name each once',
  ],
  ["a missing column", "train @series.csv --columns c", 'series.csv has no column "c"; it has a, b'],
  ["a column number that is too large", "train @series.csv --columns 3", 'series.csv has no column "3"; it has a, b'],
  ["an empty column", "train @series.csv --columns a,,b", '--columns must be different names, such as a,b, got "a,,b"'],
  ["no column", "train @series.csv --columns=", '--columns must be different names, such as a,b, got ""'],
  [
    "a value whose square f32 cannot hold",
    "train @far.csv --batch 4 --time 6",
    "far.csv, line 90, a: 1e+30 is 5.0e+29 standard deviations from the mean of the training rows, so far that squares overflow float32; correct it, or leave the column out",
  ],
  [
    "values near the largest of f32, which move late",
    "train @edge.csv --batch 4 --time 6",
    "edge.csv, line 87, a: 1.001e+38 is 1.0e+35 standard deviations from the mean of the training rows, so far that squares overflow float32; correct it, or leave the column out",
  ],
  [
    "an embedding for a series",
    "train @series.csv --embed 3",
    "--embed is for text; series.csv is read as a numeric series, whose values need no embedding",
  ],
  [
    "a batch longer than the series",
    "train @series.csv",
    "series.csv: the series has 81 rows to train on, too few for batch 16 x time 32: this needs 513; make batch or time smaller",
  ],
  [
    "a plateau schedule without held-out data",
    "train @short.txt --batch 1 --time 4 --lr-schedule plateau",
    "--lr-schedule plateau needs a held-out loss, and short.txt is too short to hold some out",
  ],
  [
    "measurements on a text that is too short",
    "train @short.txt --batch 1 --time 4 --eval-every 1",
    "--eval-every and --patience need a held-out loss, and short.txt is too short to hold some out",
  ],
];
