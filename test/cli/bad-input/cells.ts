/** @file Bad input: cells that are none, and modules that do not export one or do not work. */
import type { BadInput } from "./row.ts";

export const cells: readonly BadInput[] = [
  [
    "an unknown cell",
    "train @text.txt --cell lstmm",
    'unknown cell "lstmm": use rnn, lstm1997, lstm, …, or the path of a module that exports a cell, such as ./my-cell.ts',
  ],
  [
    "a cell in other letters",
    "train @text.txt --cell LSTM",
    'unknown cell "LSTM": use rnn, lstm1997, lstm, …, or the path of a module that exports a cell, such as ./my-cell.ts',
  ],
  [
    "a cell without a name",
    "train @text.txt --cell=",
    'unknown cell "": use rnn, lstm1997, lstm, …, or the path of a module that exports a cell, such as ./my-cell.ts',
  ],
  [
    "a cell named like an object's own property",
    "train @text.txt --cell toString",
    'unknown cell "toString": use rnn, lstm1997, lstm, …, or the path of a module that exports a cell, such as ./my-cell.ts',
  ],
  [
    "a text as a cell",
    "train @text.txt --cell @text.txt",
    "text.txt is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  [
    "a program in another language as a cell",
    "train @text.txt --cell @cell.py",
    "cell.py is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  [
    "JSON as a cell",
    "train @text.txt --cell @cell.json",
    "cell.json is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  [
    "a model as a cell",
    "train @text.txt --cell @text.safetensors",
    "text.safetensors is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  ["a missing module", "train @text.txt --cell @absent.ts", "absent.ts: no such file"],
  ["a missing file that is not a module", "train @text.txt --cell @absent.txt", "absent.txt: no such file"],
  [
    "a directory as a module",
    "train @text.txt --cell @folder",
    "folder is not a file; give a module that exports a cell, such as ./my-cell.ts",
  ],
  [
    "a module without a cell",
    "train @text.txt --cell @none.ts",
    'none.ts exports no cell: make one with cell("name", { state }, step) and export it as default',
  ],
  [
    "an empty module",
    "train @text.txt --cell @empty.ts",
    'empty.ts exports no cell: make one with cell("name", { state }, step) and export it as default',
  ],
  [
    "a module that exports a promise",
    "train @text.txt --cell @promise.ts",
    'promise.ts exports no cell: make one with cell("name", { state }, step) and export it as default',
  ],
  [
    "a cell whose state name is too long for a model, before training",
    "train @text.txt --cell @long-state.ts --out @long.safetensors",
    "the model is not written, since it could not be read again: …: expected a short text (savedModel accepts …)",
  ],
  [
    "a module with two cells",
    "train @text.txt --cell @two.ts",
    "two.ts exports 2 cells (first, second): export the one to use as default",
  ],
  ["a module with a syntax error", "train @text.txt --cell @syntax.ts", "syntax.ts:6: Unexpected token ','."],
  ["a module that throws", "train @text.txt --cell @throws.ts", "throws.ts:6: nonesuch is not a function"],
  ["a module that throws a text", "train @text.txt --cell @throws-text.ts", "throws-text.ts: not today"],
  ["a module that throws nothing", "train @text.txt --cell @throws-null.ts", "throws-null.ts: null"],
  ["a module that throws an object", "train @text.txt --cell @throws-object.ts", "throws-object.ts: an object"],
  [
    "a step that throws a value that is not an Error",
    "train @text.txt --cell @step-throws.ts",
    "thrower: its code throws undefined; throw an Error instead",
  ],
  [
    "states that throw a value that is not an Error",
    "train @text.txt --cell @state-throws.ts",
    "thrower: its code throws an object; throw an Error instead",
  ],
  ["a module that throws several lines", "train @text.txt --cell @throws-lines.ts", "throws-lines.ts:1: one two three"],
  [
    "a module with a missing import",
    "train @text.txt --cell @import.ts",
    "import.ts:2: Cannot find module './missing.ts'",
  ],
  [
    "a cell with shapes that do not fit",
    "train @text.txt --cell @shapes.ts --embed 3",
    "add at shapes.ts:10:…: shapes [B, 3] and [B, 128] do not fit: axes are matched from the right and must be equal or 1",
  ],
  [
    "a cell with a bug",
    "train @text.txt --cell @bug.ts",
    "bug.ts:5: Cannot read properties of undefined (reading 'b')",
  ],
  [
    "a check of an unknown cell",
    "check nothing",
    'unknown cell "nothing": use rnn, lstm1997, lstm, …, or the path of a module that exports a cell, such as ./my-cell.ts',
  ],
  [
    "a check of a text",
    "check @text.txt",
    "text.txt is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  ["a check of a missing module", "check @absent.ts", "absent.ts: no such file"],
  [
    "a check of a cell that cannot be traced",
    "check @bug.ts",
    "bug.ts:5: Cannot read properties of undefined (reading 'b') [at units 1, features 1; --units and --features fix them]",
  ],
  [
    "a check of two cells",
    "check @fine.ts lstm",
    "too many arguments for 'check'. Expected 1 argument but got 2; see --help",
  ],
  [
    "an inspection of an unknown cell",
    "inspect --cell nothing",
    'unknown cell "nothing": use rnn, lstm1997, lstm, …, or the path of a module that exports a cell, such as ./my-cell.ts',
  ],
  [
    "an inspection of a text",
    "inspect --cell @text.txt",
    "text.txt is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  [
    "a task for a text as a cell",
    "task copy --cell @text.txt",
    "text.txt is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
];
