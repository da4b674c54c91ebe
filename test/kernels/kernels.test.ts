/**
 * @file The kernels of many programs are those of test/golden/kernels.json, but for names, brackets and comments. A change
 * that means to change them keeps the new ones with `npm run kernels -- --update`.
 */
import { expect, test } from "vitest";
import { fewOf, long } from "../support/some-of.ts";
import { canonicalWgsl } from "./canonical.ts";
import { compileGolden, hashesOf, keptHashes } from "./golden.ts";
import { type GoldenGraph, goldenGraphs } from "./programs.ts";

const help = "see what differs with `npm run kernels -- --out FOLDER`, keep it with `npm run kernels -- --update`";
const kept = keptHashes();

test("every graph is kept, and no other", () => {
  expect(Object.keys(kept), help).toEqual(goldenGraphs.map(({ name }) => name));
});

/** Compiles a graph in the chosen ones of its ways. */
function check(graph: GoldenGraph, isChosen: (way: number) => boolean) {
  const ways = Object.keys(graph.ways).filter((_, way) => isChosen(way));
  const expected = Object.fromEntries(ways.map((way) => [way, kept[graph.name]?.[way]]));
  expect(hashesOf(compileGolden(graph, ways)), help).toEqual(expected);
}

const numbered = goldenGraphs.map((graph, i) => [graph.name, graph, i % Object.keys(graph.ways).length] as const);

fewOf(numbered, (_, i) => i % 3 === 0)("%s, in one of its ways", (_, graph, one) => check(graph, (way) => way === one));

test.each(numbered)("%s, in all others", long, (_, graph, one) => check(graph, (way) => way !== one));

const frame = (body: string) => `// k7_sum\nvar<workgroup> shared4: array<f32, 4>;\nfn main() {\n  ${body}\n}`;
const canonical = (body: string, uniforms = [{ name: "at3", value: ["B", 4] }]) =>
  canonicalWgsl({ wgsl: frame(body), uniforms });

test("names, brackets, comments and space do not count", () => {
  expect(canonical("let v12 = ((a * b) + (sizes.at3));\n  shared4[v12] = -(cg_exp(v12)); // so")).toBe(
    canonical("let   n1 = a*b + sizes.at0; shared4[(n1)] = -cg_exp((n1));", [{ name: "at0", value: ["B", 4] }]),
  );
  expect(canonical("for (var k1: u32 = 0u; k1 < 2u; k1++) { let v2 = k1; }\nlet v3 = 1;")).toBe(
    canonical("for (var k: u32 = 0u; k < 2u; k++) { let k2 = k; }\nlet k = 1;"),
  );
});

test.each([
  ["let v1 = (a + b) * c;", "let v1 = a + b * c;"],
  ["let v1 = a - (b - c);", "let v1 = a - b - c;"],
  ["let v1 = a + (b + c);", "let v1 = a + b + c;"],
  ["let v1 = -(a * b);", "let v1 = -a * b;"],
  ["let v1 = -(a + b);", "let v1 = -a + b;"],
  ["let v1 = (a + b)[0];", "let v1 = a + b[0];"],
  ["let v1 = (a << 2u) & (b >> 3u);", "let v1 = a << (2u & b) >> 3u;"],
  ["let v1 = a; let v2 = b; x = v1;", "let v1 = a; let v2 = b; x = v2;"],
  ["let v1 = a; let v2 = a; x = v1;", "let v1 = a; x = v1;"],
  ["let v1 = sizes.at3;", "let v1 = sizes.at1;"],
  ["let v1 = f(a)(b);", "let v1 = f(a, b);"],
])("%s is not %s", (one, other) => {
  expect(canonical(one)).not.toBe(canonical(other));
});
