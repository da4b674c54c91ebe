/** @file The function of a printed module that applies an optimizer's rule to every array of a tree. */
import { quoted } from "./python.ts";

/** `rules`: the name of the function for each parameter. */
export function updateText(rules: ReadonlyMap<string, string>, hasSlots: boolean): string {
  const functions = [...new Set(rules.values())];
  const [only = ""] = functions;
  const isOne = functions.length === 1;
  const result = (name: string) => {
    const call = `${name}(p, g, norm, *s, step, learning_rate)`;
    return hasSlots ? call : `(${call},)`;
  };
  const table = [
    "",
    "",
    "# The rule of each parameter.",
    "RULES = {",
    ...[...rules].map(([path, name]) => `    ${quoted(path)}: ${name},`),
    "}",
  ];
  const walk = isOne
    ? ["    results = [", `        ${result(only)}`, "        for p, g, *s in zip(*columns, strict=True)", "    ]"]
    : [
        "    paths = [",
        '        "/".join(part.key for part in path)',
        "        for path, _ in jax.tree.leaves_with_path(params)",
        "    ]",
        "    results = [",
        `        ${result("RULES[path]")}`,
        "        for path, p, g, *s in zip(paths, *columns, strict=True)",
        "    ]",
      ];
  return [
    ...(isOne ? [] : [...table.slice(2), "", ""]),
    "def update(",
    "    params: Params,",
    "    gradient: Params,",
    "    norm: Array,",
    "    slots: dict[str, Params],",
    "    step: Array,",
    "    learning_rate: Array,",
    ") -> tuple[Params, dict[str, Params]]:",
    '    """The next parameters and slots, by the optimizer\'s rule for each array.',
    "",
    "    norm: that of the whole gradient, for clipping",
    "    step: 1 for the first update",
    '    """',
    "    structure = jax.tree.structure(params)",
    "    trees = (params, gradient, *(slots[name] for name in SLOTS))",
    "    columns = [jax.tree.leaves(tree) for tree in trees]",
    ...walk,
    "    parts = [jax.tree.unflatten(structure, p) for p in zip(*results, strict=True)]",
    "    return parts[0], dict(zip(SLOTS, parts[1:], strict=True))",
  ].join("\n");
}
