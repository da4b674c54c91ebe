/**
 * @file Reads the exports of each entry: `tsc` writes declarations, which contain all types, and `deno doc` extracts
 * exports, docstrings and members. (TypeDoc needs the JavaScript API of TypeScript, which TypeScript 7 does not have.)
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

interface Location {
  readonly filename: string;
  /** Counted from 0. */
  readonly line: number;
}

interface Doc {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string; readonly name?: string; readonly doc?: string }[];
}

interface RawMember {
  readonly name: string;
  readonly location?: Location;
  readonly jsDoc?: Doc;
}

interface RawParameter {
  readonly name?: string;
  readonly tsType?: { readonly repr?: string };
}

interface RawDeclaration {
  readonly kind: "function" | "variable" | "interface" | "typeAlias" | "class" | "reference";
  readonly location: Location;
  readonly jsDoc?: Doc;
  readonly def?: {
    readonly target?: Location;
    readonly constructors?: readonly RawMember[];
    readonly properties?: readonly RawMember[];
    readonly methods?: readonly RawMember[];
    readonly params?: readonly RawParameter[];
    readonly tsType?: { readonly value?: unknown };
  };
}

interface RawSymbol {
  readonly name: string;
  readonly declarations: readonly RawDeclaration[];
}

/** A property, a method or a constructor. */
export interface Member {
  readonly name: string;
  /** Its TypeScript declaration, on one line. */
  readonly signature: string;
  readonly text: Doc;
}

/** A parameter of a function. */
export interface Parameter {
  readonly name: string;
  /** The name of its type, if it has one. */
  readonly type: string;
}

/** One export of an entry. */
export interface Exported {
  readonly name: string;
  readonly kind: "function" | "constant" | "type" | "class";
  /** Its TypeScript declarations, without docstrings; one for each overload of a function. */
  readonly signatures: readonly string[];
  readonly texts: readonly Doc[];
  readonly members: readonly Member[];
  /** Parameters of a function, from all its overloads. */
  readonly parameters: readonly Parameter[];
  /** The source file, relative to the root. */
  readonly file: string;
  /** The line in it, counted from 1. */
  readonly line: number;
}

/** One entry of the package. */
export interface Entry {
  /** Such as `cellgrad/networks`. */
  readonly module: string;
  /** Its source, relative to the root. */
  readonly file: string;
  /** One sentence: the header of its source. */
  readonly about: string;
  readonly exports: readonly Exported[];
}

/** The statement that begins at a line of a declaration file, without comments, up to its `;` or closing brace. */
export function statementAt(text: string, line: number): string {
  const rest = text
    .split("\n")
    .slice(line)
    .join("\n")
    .replace(/\/\*[\s\S]*?\*\//g, "");
  let depth = 0;
  for (let i = 0; i < rest.length; i++) {
    const character = rest[i] ?? "";
    if (character === '"') i = rest.indexOf('"', i + 1);
    else if ("({[".includes(character)) depth += 1;
    else if (")}]".includes(character)) {
      depth -= 1;
      const whole = rest.slice(0, i + 1);
      if (depth === 0 && character === "}" && /^\s*(export )?(declare )?(interface|(abstract )?class) /.test(whole))
        return whole;
    } else if (character === ";" && depth === 0) return rest.slice(0, i + 1);
  }
  throw new Error(`no statement ends after line ${line + 1}: ${rest.slice(0, 80)}`);
}

/** An op of one or two operands as a function signature, simplified from its type. */
function operands(names: readonly string[], dtypes: string, result: string): string {
  const [generic, dtype] = dtypes.includes("|") || dtypes === "DType" ? [`<D extends ${dtypes}>`, "D"] : ["", dtypes];
  const list = names.map((name) => `${name}: Tensor<${dtype}> | number`).join(", ");
  return `${generic}(${list}) => Tensor<${result === "same" ? dtype : result}>`;
}

const numbers = '"f32" | "i32" | "u32"';

/** The declaration without `export declare`, import paths of types, and the wrapper type of ops. */
function readable(statement: string): string {
  return statement
    .trim()
    .replace(/^export (declare )?/, "")
    .replace(/import\("[^"]*"\)\./g, "")
    .replace(/\bUnary<"\w+">/g, operands(["x"], '"f32"', "same"))
    .replace(/\bUnary<"\w+", ([^<>]*)>/g, (_, dtypes: string) => operands(["x"], dtypes, "same"))
    .replace(/\bBinary<"\w+">/g, operands(["a", "b"], numbers, "same"))
    .replace(/\bBinary<"\w+", ([^<>]*)>/g, (_, dtypes: string) => operands(["a", "b"], dtypes, "same"))
    .replace(/\b(?:Comparison<"\w+", ([^<>]*)>|OfTwo<([^<>]*), "bool">)/g, (_, a?: string, b?: string) =>
      operands(["a", "b"], (a ?? b ?? "").replace("NumberType", numbers), '"bool"'),
    )
    .replace(/: Op<"\w+", (.*)>;$/s, ": $1;")
    .replace(/\bFloat\b/g, 'Tensor<"f32">')
    .replace(/\n\s*\n/g, "\n");
}

/** Non-exported types of the same file that a signature uses, so that it is self-contained. */
function besides(text: string, signature: string, exported: ReadonlySet<string>): string[] {
  const found = [...new Set(signature.match(/\b[A-Z]\w+/g))].flatMap((name) => {
    const at = text
      .split("\n")
      .findIndex((line) => new RegExp(`^(export )?(declare )?(type|interface) ${name}\\b`).test(line));
    return at < 0 || exported.has(name) ? [] : [[name, readable(statementAt(text, at))] as const];
  });
  return found.flatMap(([name, statement]) => (signature.includes(statement) || name === "Partial" ? [] : [statement]));
}

function onOneLine(statement: string): string {
  return readable(statement).replace(/;$/, "").replace(/\s+/g, " ");
}

const kinds = {
  function: "function",
  variable: "constant",
  interface: "type",
  typeAlias: "type",
  class: "class",
} as const;

/** The exports of all entries, the root entry first. `folder` is a temporary folder. */
export function readEntries(root: string, folder: string): Entry[] {
  const require = createRequire(join(root, "package.json"));
  const { exports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as { exports: Record<string, string> };
  rmSync(folder, { recursive: true, force: true });
  const tsc = join(root, "node_modules/typescript/lib/tsc.js");
  const emit = ["-p", join(root, "tsconfig.build.json"), "--emitDeclarationOnly", "--outDir", folder];
  execFileSync(process.execPath, [tsc, ...emit], { cwd: root });
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".d.ts")) continue;
    const text = readFileSync(join(folder, path), "utf8");
    // Deno does not resolve import paths, so they must be those of the declarations.
    writeFileSync(join(folder, path), text.replace(/(["'])(\.{1,2}\/[^"']*)\.[tj]s\1/g, "$1$2.d.ts$1"));
  }
  const declared = (source: string) => source.replace(/\.ts$/, ".d.ts");
  const files = Object.values(exports).map(declared);
  const output = execFileSync(
    process.execPath,
    [require.resolve("deno/bin.cjs"), "doc", "--quiet", "--json", ...files],
    {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const { nodes } = JSON.parse(output) as { nodes: Record<string, { symbols: readonly RawSymbol[] }> };
  const texts = new Map<string, string>();
  const textOf = (path: string) => {
    const known = texts.get(path) ?? readFileSync(path, "utf8");
    texts.set(path, known);
    return known;
  };
  const names = new Set(Object.values(nodes).flatMap(({ symbols }) => symbols.map(({ name }) => name)));
  const byPlace = new Map<string, RawDeclaration[]>();
  for (const { symbols } of Object.values(nodes))
    for (const { name, declarations } of symbols) {
      const [first] = declarations;
      if (first !== undefined && first.kind !== "reference")
        byPlace.set(`${first.location.filename} ${name}`, [...declarations]);
    }
  return Object.entries(exports).map(([name, file]) => {
    const header = /@file ([\s\S]*?)\*\//.exec(readFileSync(join(root, file), "utf8"))?.[1] ?? "";
    const about = header
      .replace(/\s*\n \* ?/g, " ")
      .replace(/^The (public )?entry[^:]*: /, "")
      .trim();
    const symbols = nodes[`file://${join(folder, declared(file))}`]?.symbols ?? [];
    return {
      module: name.replace(/^\./, "cellgrad"),
      file: file.replace("./", ""),
      about: about.charAt(0).toUpperCase() + about.slice(1),
      exports: symbols.map(({ name, declarations }) => exported(name, declarations)),
    };
  });

  function exported(name: string, given: readonly RawDeclaration[]): Exported {
    const target = given[0]?.kind === "reference" ? given[0].def?.target?.filename : undefined;
    const declarations = target === undefined ? given : (byPlace.get(`${target} ${name}`) ?? []);
    const [first] = declarations;
    if (first === undefined || first.kind === "reference") throw new Error(`${name} is exported and not declared`);
    const path = fileURLToPath(first.location.filename);
    const source = relative(folder, path).replace(/\.d\.ts$/, ".ts");
    const { constructors = [], properties = [], methods = [] } = first.def ?? {};
    const signatures = declarations.map(({ location }) => readable(statementAt(textOf(path), location.line)));
    return {
      name,
      kind: kinds[first.kind],
      signatures: [...signatures, ...besides(textOf(path), signatures.join("\n"), names)],
      texts: declarations.map(({ jsDoc }) => jsDoc ?? {}),
      members: [...constructors, ...properties, ...methods].flatMap(({ name: member, location, jsDoc }) =>
        location === undefined || member.startsWith("[")
          ? []
          : [{ name: member, signature: onOneLine(statementAt(textOf(path), location.line)), text: jsDoc ?? {} }],
      ),
      parameters: declarations.flatMap(({ def }) =>
        (def?.params ?? []).flatMap(({ name: parameter, tsType }) =>
          parameter === undefined ? [] : [{ name: parameter, type: tsType?.repr ?? "" }],
        ),
      ),
      file: source,
      line: lineOf(textOf(join(root, source)), name),
    };
  }
}

/** Where a source declares a name, counted from 1. */
function lineOf(source: string, name: string): number {
  const lines = source.split("\n");
  const declares = new RegExp(
    `^export (declare |default |async |abstract )*(function\\*?|const|let|interface|type|class) ${name}\\b`,
  );
  const listed = new RegExp(`^(function|const|class|interface|type) ${name}\\b`);
  const found = [declares, listed, new RegExp(`\\b${name}\\b`)].map((pattern) =>
    lines.findIndex((line) => pattern.test(line)),
  );
  return (found.find((index) => index >= 0) ?? 0) + 1;
}
