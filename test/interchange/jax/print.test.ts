/** @file Printed JAX as text: what `npm run test:jax` cannot see by running it, and what must hold where there is no Python. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lstm } from "../../../cells/lstm.ts";
import { zoo } from "../../../cells/zoo.ts";
import { traceCell } from "../../../compiler/dsl/traced-cell.ts";
import { at } from "../../../compiler/graph/errors.ts";
import {
  add,
  cell,
  constant,
  customGradient,
  div,
  fill,
  gather,
  mean,
  model,
  mul,
  type NamedAval,
  neg,
  pad,
  relu,
  scan,
  scanTensors,
  slice,
  square,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../../index.ts";
import { cellToJax, graphToJax } from "../../../interchange/jax/print.ts";
import { lossOfCell } from "../../../testing/random-cells/cell-graphs.ts";
import { cellPlans } from "../../../testing/random-cells/cell-plan.ts";
import { buildCell } from "../../../testing/random-cells/random-cell.ts";
import { sourceLines } from "../../support/source-lines.ts";

type Float = Tensor<"f32">;

const printedCell = (name: string, options = {}) =>
  cellToJax(at(traceCell(zoo[name] ?? lstm, [{ units: 8, features: 8 }]).traces, 0), options);

/** The printed function of a function of f32 tensors x0, x1, … with these shapes. */
function printed(f: (...xs: Float[]) => Tensor | Tensor[], ...shapes: (number | string)[][]): string {
  const avals = shapes.map((shape, i): NamedAval => ({ name: `x${i}`, dtype: "f32", shape }));
  return graphToJax(traceGraph("f", avals, (xs) => [f(...(xs as Float[]))].flat()));
}

/** The statements, without the signature and the docstring. */
const statements = (text: string) => text.split('    """\n').slice(1).join("").trimEnd();

test("an LSTM reads like one written in Python", () => {
  expect(printedCell("lstm", { source: sourceLines })).toBe(`"""The cell lstm, printed by cellgrad."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Params = dict[str, Any]


def lstm(
    params: Params,
    state: tuple[Array, Array],
    x: Array,
) -> tuple[tuple[Array, Array], Array]:
    """One step of lstm, for \`lax.scan\`.

    State: c, h f32 [B, 8].
    Input: x f32 [B, 8].
    Output: f32 [B, 8].
    """
    c, h = state
    # i = sigmoid(dense("input", [x, h], units, { kernel }))
    x_h = jnp.concatenate([x, h], axis=1)
    i = jax.nn.sigmoid(x_h @ params["input"]["kernel"] + params["input"]["bias"])
    # f = sigmoid(dense("forget", [x, h], units, { kernel, bias: 1 }))
    f = jax.nn.sigmoid(x_h @ params["forget"]["kernel"] + params["forget"]["bias"])
    # o = sigmoid(dense("output", [x, h], units, { kernel }))
    o = jax.nn.sigmoid(x_h @ params["output"]["kernel"] + params["output"]["bias"])
    # g = tanh(dense("candidate", [x, h], units, { kernel }))
    g = jnp.tanh(x_h @ params["candidate"]["kernel"] + params["candidate"]["bias"])
    # nextC = add(mul(f, c), mul(i, g))
    next_c = f * c + i * g
    # nextH = mul(o, tanh(nextC))
    next_h = o * jnp.tanh(next_c)
    return (next_c, next_h), next_h
`);
});

test("without its source, values are named by weights and states", () => {
  const text = printedCell("lstm");
  expect(text).toContain("    next_c = forget * c + input_ * candidate\n");
  expect(text).not.toContain("#");
});

describe("expressions", () => {
  test.each<[string, string, string]>([
    ["a mean over an axis", printed((x) => mean(x, 1), ["B", 4]), "    return jnp.mean(x0, axis=1)"],
    [
      "a mean that is subtracted",
      printed((x) => add(x, mul(mean(x, 1, { keepAxes: true }), -1)), ["B", 4]),
      "    return x0 + jnp.mean(x0, axis=1, keepdims=True) * -1.0",
    ],
    ["a part of a sum", printed((x) => div(sum(x, 1), 3), ["B", 4]), "    return jnp.sum(x0, axis=1) / 3.0"],
    ["a column", printed((x) => slice(x, 1, 2, 1), ["B", 4]), "    return x0[:, 2:3]"],
    ["the last row", printed((x) => slice(x, 0, -1, 1), ["B", 4]), "    return x0[-1:]"],
    ["a square", printed((x, y) => square(add(x, y)), [3], [3]), "    return jnp.square(x0 + x1)"],
    ["a ReLU", printed((x) => relu(x), [3]), "    return jax.nn.relu(x0)"],
    ["a product of a sum", printed((x, y) => mul(add(x, y), x), [3], [3]), "    return (x0 + x1) * x0"],
    ["a sum of products", printed((x, y) => add(mul(x, y), x), [3], [3]), "    return x0 * x1 + x0"],
    [
      "zeros",
      printed((x) => fill([2, ...x.shape], 0), [3]),
      "    dtype = x0.dtype\n    return jnp.zeros((2, 3), dtype)",
    ],
    ["padding", printed((x) => pad(x, 0, 1, 5), [3]), "    return jnp.pad(x0, (1, 1))"],
    ["a sign twice", printed((x) => neg(neg(x)), [3]), "    return -(-x0)"],
    ["infinity", printed((x) => add(x, Number.NEGATIVE_INFINITY), [3]), "    return x0 + -jnp.inf"],
    ["a large and a small number", printed((x) => add(mul(x, 1e30), 1e-7), [3]), "    return x0 * 1e30 + 1e-7"],
  ])("%s", (_title, text, wanted) => {
    expect(statements(text)).toBe(wanted);
  });

  test("numbers of constants are computed", () => {
    expect(statements(printed((x) => mul(x, tanh(constant(0))), [3]))).toBe("    return x0 * 0.0");
  });

  test("indices past the end read the last row, negative ones too", () => {
    const avals: NamedAval[] = [
      { name: "table", dtype: "f32", shape: [5, 2] },
      { name: "i", dtype: "i32", shape: ["B"] },
    ];
    const text = graphToJax(traceGraph("f", avals, ([table, i]) => [gather(table as Float, i as Tensor<"i32">)]));
    expect(statements(text)).toBe('    return jnp.take(table, i.astype(jnp.uint32), axis=0, mode="clip")');
  });
});

describe("names", () => {
  test("keywords, names of modules and single letters that look like digits are changed", () => {
    const named = cell("lambda", { state: () => ({ l: [2], jnp: [2], "next one": [2] }) }, (given) => {
      const { x, l, jnp } = given;
      const other = given["next one"];
      const next = add(add(mul(x, l), jnp), other);
      return { state: { l: next, jnp, "next one": l }, output: next };
    });
    const text = cellToJax(at(traceCell(named, [{ units: 2, features: 2 }]).traces, 0));
    expect(text).toContain("def lambda_(");
    expect(text).toContain("l_, jnp_, next_one = state");
  });

  test("two values of one name are told apart", () => {
    const avals: NamedAval[] = ["a b", "a-b", "aB"].map((name) => ({ name, dtype: "f32", shape: [2] }));
    const text = graphToJax(traceGraph("f", avals, ([a, b, c]) => [add(add(a as Float, b as Float), c as Float)]));
    expect(statements(text)).toBe("    return a_b + a_b2 + a_b3");
  });

  test("quotes and backslashes in paths are escaped", () => {
    const avals: NamedAval[] = ['parameters/"/a', "parameters/\\/b"].map((name) => ({
      name,
      dtype: "f32",
      shape: [2],
    }));
    const text = graphToJax(traceGraph("f", avals, ([a, b]) => [add(a as Float, b as Float)]));
    expect(text).toContain(`return params['"']["a"] + params["\\\\"]["b"]`);
  });

  test("a parameter that also holds others is refused", () => {
    const avals: NamedAval[] = ["parameters/a", "parameters/a/b"].map((name) => ({ name, dtype: "f32", shape: [2] }));
    const graph = traceGraph("f", avals, ([a, b]) => [add(a as Float, b as Float)]);
    expect(() => graphToJax(graph)).toThrow("parameter parameters/a is an array and also holds others");
  });
});

describe("loops", () => {
  const layers = model("layers", (xs: Float) => scan(lstm(3), scan(lstm(3), xs).outputs).outputs);
  const aval = { dtype: "f32", shape: ["T", "B", 3] } as const;
  const specs = layers.specs(aval);
  const avals: NamedAval[] = [
    ...specs.map(({ path, shape }) => ({ name: `parameters/${path}`, dtype: "f32" as const, shape })),
    { name: "xs", ...aval },
  ];
  const graph = traceGraph("layers", avals, (tensors) => {
    const weights = Object.fromEntries(specs.map(({ path }, i) => [path, at(tensors, i) as Float]));
    return [layers.apply(weights, at(tensors, specs.length) as Float)];
  });

  test("equal layers share one function", () => {
    const text = graphToJax(graph, { carries: { lstm: ["c", "h"] } });
    expect(text.match(/^def /gm)).toHaveLength(2);
    expect(text).toContain('    partial(lstm, params["lstm_1"]),');
    expect(text).toContain("    B = xs.shape[1]\n");
    expect(text).toContain("    c, h = state\n");
  });

  test("a loop that reads a value from outside is a function inside, and what it reads is computed before it", () => {
    const text = printed(
      (xs, w) => {
        const outside = tanh(add(w, 1));
        return [
          ...scanTensors(([h], [x]) => ({ carries: [add(h as Float, mul(x as Float, outside))], ys: [] }), [w], [xs], {
            reverse: true,
          }).carries,
        ];
      },
      ["T", 3],
      [3],
    );
    expect(statements(text)).toBe(`    tanh = jnp.tanh(x1 + 1.0)

    def step(carry, x):
        return carry + x * tanh, None

    last_carry, _ = lax.scan(step, x1, x0, reverse=True)
    return last_carry`);
  });

  test("a size that no input has is refused", () => {
    expect(() => printed((x) => add(x, sum(fill(["N", 2], 1), 0)), [2])).toThrow(
      "no input has an axis of size N, which the printed function needs; add one that has",
    );
  });
});

test("a function with its own gradient is a custom_vjp", () => {
  const clipped = customGradient(
    (x: Float) => tanh(x),
    (ct) => mul(ct, 2),
  );
  const text = printed((x) => clipped(x), [3]);
  expect(text).toContain("    @jax.custom_vjp\n    def with_gradient(y, ");
  expect(text).toContain("with_gradient(lax.stop_gradient(jnp.tanh(x0)), x0)");
  expect(text).toContain("        return None, ct * 2.0\n");
});

describe("layout", () => {
  const longest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

  test.each(Object.keys(zoo))("%s fits the width of a line", (name) => {
    expect(longest(printedCell(name, { source: sourceLines }))).toBeLessThanOrEqual(88);
    expect(longest(printedCell(name))).toBeLessThanOrEqual(88);
  });

  test("random cells fit, and print the same twice", () => {
    const property = fc.property(cellPlans, (plan) => {
      const { avals, lossOf } = lossOfCell(buildCell(plan));
      const loss = traceGraph("loss", avals, (tensors) => [lossOf(tensors)]);
      const text = graphToJax(loss);
      expect(longest(text)).toBeLessThanOrEqual(88);
      expect(graphToJax(loss)).toBe(text);
    });
    fc.assert(property, { seed: 88, numRuns: 4, endOnFailure: true });
  });
});
