/**
 * @file The kernel IR: what one dispatch computes, as frozen plain data, with nothing of a shading language in it.
 *
 *   kernel    ::= parts buffers shared uniforms
 *   part      ::= a range of workgroups and what each of them does: grid, body
 *   body      ::= statement*
 *   statement ::= let variable expr            bound once
 *               | var variable expr            a register that later statements change
 *               | assign variable expr
 *               | registers array expr*        registers that a loop walks over
 *               | store array index expr       or, with `add`, to what is there
 *               | for axis variable body       over a range of an axis, in the way that the mapping says
 *               | if expr body
 *               | stage body                   no invocation reads in it what another one writes in it
 *               | leave expr                   invocations for which it holds have no work
 *               | barrier                      of a workgroup; derived, see barriers.ts
 *   expr      ::= literal                      a number of a scalar type
 *               | size                         a dimension that is known when the kernel runs
 *               | uniform                      a sum of dimensions, such as where a value lies in its buffer
 *               | variable                     what a statement binds, a parameter, or one of the builtins
 *               | load array index             an element of an array, of one of its slots where they alternate
 *               | primitive(expr, ...)         arithmetic of one element
 *               | function(expr, ...)          one of the functions that are written in this IR, such as tanh
 *
 * A part is written for one invocation, which knows its workgroup among those of the part (`group`) and its number in it
 * (`lane`). Loops carry the axis that they walk and its mapping: `lanes` are spread over a workgroup, `time` is the loop
 * of a recurrence, `serial` runs in order. The order in which sums are added up is that of the statements: it follows from
 * the shapes, and never from how many invocations there are.
 *
 * An expression is evaluated where its statement stands. What is known of it (its type, the depth of the innermost
 * variable that it reads, whether it is the same for a workgroup) is recorded when it is made; nothing is read off a text.
 */
import type { Dim } from "../graph/dim.ts";
import type { DType } from "../graph/graph.ts";

export type Scalar = DType;
/** A scalar, or four f32 that are worked on together. */
export type Type = Scalar | "f32x4";

/** Arithmetic that every target has. Whole numbers wrap; comparisons and logic give bool. */
export type Primitive =
  | "add"
  | "sub"
  | "mul"
  /** Of integers cut towards 0; by 0 it has no meaning. */
  | "div"
  | "rem"
  | "neg"
  | "abs"
  /** Of numbers: what they give where an operand is NaN is the target's affair. */
  | "min"
  | "max"
  | "floor"
  /** To the nearest whole number, halves to the even one. */
  | "round"
  | "sqrt"
  | "less"
  | "lessEqual"
  | "equal"
  | "notEqual"
  | "not"
  | "and"
  | "or"
  | "bitAnd"
  | "bitOr"
  | "bitXor"
  | "bitNot"
  | "shiftLeft"
  | "shiftRight"
  | "countLeadingZeros"
  /** select(condition, whenTrue, whenFalse): both are evaluated. */
  | "select"
  /** The same number in another scalar type. Of f32 to an integer: inside its range only. */
  | "convert"
  /** The same 32 bits as another scalar type. */
  | "bitcast"
  /** Four f32 from as many, or from one. */
  | "vector"
  /** component(vector, i) with a literal i. */
  | "component"
  /** What lane `i` of the subgroup has: fromLane(x, i) with a literal i. */
  | "fromLane";

/** Memory of a kernel: buffers of the program, memory of a workgroup, registers of a lane. */
export type KernelArray = GlobalArray | LocalArray;

export interface GlobalArray {
  readonly space: "global";
  /** The program's buffer. */
  readonly buffer: number;
  readonly name: string;
  readonly element: "f32" | "i32" | "u32";
}

export interface LocalArray {
  readonly space: "shared" | "registers";
  readonly name: string;
  readonly element: Type;
  readonly length: number;
  /** How many of that length alternate: a loop over time reads one while it writes the other. */
  readonly slots: 1 | 2;
}

interface Common {
  /** Equal expressions of a kernel have equal ids. */
  readonly id: number;
  readonly type: Type;
  /** Depth of the innermost block whose variable it reads. */
  readonly depth: number;
  /** Made of literals alone. */
  readonly isConstant: boolean;
  /** All invocations of a workgroup that evaluate it get the same. */
  readonly isUniform: boolean;
}

export interface Literal extends Common {
  readonly kind: "literal";
  /** Of f32 any number, NaN and infinities among them; of bool 0 or 1. */
  readonly value: number;
}

export interface SizeExpr extends Common {
  readonly kind: "size";
  readonly dim: Dim;
}

export interface Uniform extends Common {
  readonly kind: "uniform";
  readonly sum: readonly Dim[];
}

export interface Variable extends Common {
  readonly kind: "variable";
  readonly name: string;
}

export interface Load extends Common {
  readonly kind: "load";
  readonly array: KernelArray;
  /** Whether the index may lie outside of the array, in which case no result depends on what is read. */
  readonly mayMiss: boolean;
  /** The index, and of an array with slots the slot. */
  readonly operands: readonly [Expr, ...Expr[]];
}

export interface Apply extends Common {
  readonly kind: "apply";
  readonly op: Primitive;
  readonly operands: readonly Expr[];
}

export interface Call extends Common {
  readonly kind: "call";
  readonly function: KernelFunction;
  readonly operands: readonly Expr[];
}

export type Expr = Literal | SizeExpr | Uniform | Variable | Load | Apply | Call;

/** A function that is written once for every target: what a target lacks or leaves loose. It reads no memory of a kernel. */
export interface KernelFunction {
  readonly name: string;
  readonly parameters: readonly Variable[];
  readonly type: Scalar;
  readonly body: readonly Statement[];
  readonly result: Expr;
}

/** What is walked over: how many there are, and what they are to the kernel. */
export interface Axis {
  readonly extent: Dim;
  readonly role: "positions" | "tiles" | "rows" | "columns" | "depth" | "time" | "block" | "tile" | "tree";
}

export type Mapping = "lanes" | "serial" | "time";

export interface Let {
  readonly kind: "let" | "var";
  readonly variable: Variable;
  readonly value: Expr;
}

export interface Assign {
  readonly kind: "assign";
  readonly variable: Variable;
  readonly value: Expr;
}

export interface Registers {
  readonly kind: "registers";
  readonly array: LocalArray;
  readonly values: readonly Expr[];
}

export interface Store {
  readonly kind: "store";
  readonly array: KernelArray;
  readonly index: Expr;
  readonly slot: Expr | undefined;
  readonly value: Expr;
  readonly how: "set" | "add";
}

/** `variable` takes first, first + step, … below end. */
export interface For {
  readonly kind: "for";
  readonly axis: Axis;
  readonly mapping: Mapping;
  readonly variable: Variable;
  readonly first: Expr;
  readonly end: Expr;
  readonly step: Expr;
  readonly body: readonly Statement[];
}

export interface If {
  readonly kind: "if";
  readonly condition: Expr;
  readonly body: readonly Statement[];
}

export interface Stage {
  readonly kind: "stage";
  readonly body: readonly Statement[];
}

export interface Leave {
  readonly kind: "leave";
  readonly condition: Expr;
}

export interface Barrier {
  readonly kind: "barrier";
}

export type Statement = Let | Assign | Registers | Store | For | If | Stage | Leave | Barrier;

/** Number of workgroups: ceil(ceil(rows / rowsPer) * columns / lanes), where an invocation owns `rowsPer` rows of a column. */
export interface GridPart {
  readonly rows: readonly Dim[];
  readonly rowsPer: number;
  readonly columns: readonly Dim[];
  readonly lanes: number;
}

export interface Part {
  readonly grid: GridPart;
  readonly group: Variable;
  readonly lane: Variable;
  readonly body: readonly Statement[];
}

/** Which steps of the loops around it a kernel is told: those before this one, and where the chunk that it runs ends. */
export interface StepVariables {
  /** From the outermost loop on. */
  readonly counts: readonly Variable[];
  readonly end: Variable | undefined;
}

export interface KernelCode {
  readonly workgroupSize: number;
  readonly parts: readonly Part[];
  readonly buffers: readonly { readonly array: GlobalArray; readonly access: "read" | "read_write" }[];
  readonly shared: readonly LocalArray[];
  /** What it is given when it runs: symbols, and sums of dimensions. */
  readonly uniforms: readonly (readonly Dim[])[];
  readonly steps: StepVariables;
}
