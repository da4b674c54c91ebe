/** @file Messages of the page: what was meant by a name or an operator, in the page's own words. */
import { javascript } from "@codemirror/lang-javascript";
import { EditorState } from "@codemirror/state";
import { describe, expect, test } from "vitest";
import { messageOf } from "../../compiler/graph/errors.ts";
import { seriesBatches } from "../../entries/data.ts";
import * as library from "../../index.ts";
import { placeOf } from "../../playground/page/editor/fault-place.ts";
import { stopInWords } from "../../playground/page/session/stopped.ts";
import { inPageWords } from "../../playground/page/words.ts";
import { withMeant } from "../../playground/sandbox/meant.ts";
import { ranges } from "../../playground/shared/settings.ts";
import { textBatches } from "../../train/data/text.ts";

const exports = Object.keys(library);
const source = `import { cell, mul, dense } from "cellgrad";
export default cell("c", { state: ({ units }) => ({ carry: [units] }) }, ({ x, carry, units }) => {
  const nextCarry = mul(x, carry);
  return { state: { carry: nextCarry }, output: nextCarry };
});`;

const meant: readonly [given: string, message: string][] = [
  ["ReferenceError: sigmod is not defined", "sigmod is not defined; did you mean sigmoid?"],
  ["ReferenceError: mlu is not defined", "mlu is not defined; did you mean mul?"],
  ["ReferenceError: nextcarry is not defined", "nextcarry is not defined; did you mean nextCarry?"],
  ["ReferenceError: cary is not defined", "cary is not defined; did you mean carry?"],
  ["ReferenceError: Can't find variable: sigmod", "sigmod is not defined; did you mean sigmoid?"],
  ["ReferenceError: tanh is not defined", 'tanh is not imported; add it to the import from "cellgrad"'],
  ["ReferenceError: qqqq is not defined", "ReferenceError: qqqq is not defined"],
  ["cellgrad has no export sigmod", "cellgrad has no export sigmod; did you mean sigmoid?"],
  ["cellgrad has no export zzzz", "cellgrad has no export zzzz"],
  ["TypeError: f.mul is not a function", "f has no method mul; write mul(f, …)"],
  ["TypeError: f.frobnicate is not a function", "TypeError: f.frobnicate is not a function"],
];

describe("why a run stopped", () => {
  const stopped = { type: "stopped", run: "relu-rnn", step: 9, reason: "not finite" } as const;

  test("names the run once", () => {
    const fault = { message: "relu-rnn: the loss of step 10 is not finite; clipNorm helps" };
    expect(stopInWords({ ...stopped, fault })).toEqual({
      cell: "relu-rnn",
      message: "stopped at step 9: the loss of step 10 is not finite; “Clip gradients at” helps",
    });
    expect(stopInWords({ ...stopped, fault: { message: "no memory" } })?.message).toBe("stopped at step 9: no memory");
  });

  test("says what to do if no fault is known, and nothing once all steps are done", () => {
    expect(stopInWords(stopped)?.message).toMatch(/^stopped at step 9: .* lower the learning rate/);
    expect(stopInWords({ ...stopped, reason: "done" })).toBeUndefined();
  });
});

test.each(meant)("%s", (message, expected) => {
  expect(withMeant({ message, line: 3 }, source, exports)).toEqual({ message: expected, line: 3 });
});

describe("operators on tensors", () => {
  /** What is said of the operator at ‸, and what is underlined. */
  function said(line: string): [string, string] {
    const column = line.indexOf("‸") + 1;
    const doc = `const a = 1;\n${line.replace("‸", "")}`;
    const state = EditorState.create({ doc, extensions: [javascript({ typescript: true })] });
    const { message, range } = placeOf(state, { message: "an operator of JavaScript: Tensor", line: 2, column });
    return [message.replace(/^.*; write /, ""), doc.slice(range?.from, range?.to)];
  }

  test.each([
    ["const n = f ‸* h;", "mul(f, h)", "f * h"],
    ["const n = f ‸- h;", "sub(f, h)", "f - h"],
    ["const n = add(x, f ‸* h + 1);", "add(mul(f, h), 1)", "f * h + 1"],
    ["const n = (1 ‸- z) * h;", "mul(sub(1, z), h)", "(1 - z) * h"],
    ["const n = tanh(a) ‸** 2;", "pow(tanh(a), 2)", "tanh(a) ** 2"],
    ["const n = x * (1 / 2) ‸* h;", "mul(mul(x, (1 / 2)), h)", "x * (1 / 2) * h"],
    ["const n = ‸-f;", "neg(f)", "-f"],
    ["const n = f ‸< 0 ? f : h;", "less(f, 0)", "f < 0"],
    ["n ‸*= h;", "n = mul(n, h)", "n *= h"],
  ])("%s", (line, words, underlined) => {
    expect(said(line)).toEqual([words, underlined]);
  });

  test("where there is no operator, the message stays and the word is underlined", () => {
    expect(said("const n = Math.‸exp(h);")).toEqual(["an operator of JavaScript: Tensor", "exp"]);
    expect(said("const n = f ‸% h;")).toEqual(["an operator of JavaScript: Tensor", "const n = f % h;"]);
  });
});

describe("the page's names of fields", () => {
  const thrown = (f: () => unknown) => {
    try {
      f();
    } catch (error) {
      return inPageWords(messageOf(error));
    }
    return "nothing was thrown";
  };

  test("too little data names the fields “Batch” and “Steps back”", () => {
    expect(thrown(() => textBatches(new Int32Array(70), { batch: 16, time: 32 }))).toMatch(
      /too few for “Batch” 16 × “Steps back” 32: this needs 513; make “Batch” or “Steps back” smaller$/,
    );
    const series = { columns: ["a"], length: 9, values: new Float64Array(9) };
    expect(thrown(() => seriesBatches(series, { batch: 4, time: 16 }))).toMatch(
      /make “Batch” or “Steps back” smaller$/,
    );
  });

  test("options of programs become labels, and words stay words", () => {
    expect(inPageWords("clipNorm is 0; expected a number above 0")).toBe(
      "“Clip gradients at” is 0; expected a number above 0",
    );
    expect(inPageWords("copy: time is 5; expected 12 or more")).toBe("copy: “Steps back” is 5; expected 12 or more");
    expect(inPageWords("a batch at a time")).toBe("a batch at a time");
    expect(ranges.time.label).toBe("Steps back");
  });
});
