/**
 * @file The kernel IR: what one dispatch computes, as frozen plain data, independent of any shading language.
 *
 *   kernel    ::= parts buffers shared uniforms
 *   part      ::= a range of workgroups and what each of them does: grid, body, and places of a body that parts share
 *   body      ::= statement*
 *   statement ::= let variable expr            bound once
 *               | var variable expr            a register that later statements change
 *               | assign variable expr
 *               | registers array expr*        registers that a loop walks over
 *               | store array index expr       or, with `add`, adds to the element
 *               | for axis variable body       over a range of an axis, as its mapping says
 *               | if expr body
 *               | stage body                   no invocation reads what another one writes inside it
 *               | leave expr                   ends invocations for which it holds
 *               | barrier                      workgroup barrier; derived, see barriers.ts
 *   expr      ::= literal                      a number of a scalar type
 *               | size                         a dimension that is known when the kernel runs
 *               | uniform                      a sum of dimensions, such as the offset of a value in its buffer
 *               | variable                     bound by a statement, a parameter, or a builtin
 *               | load array index             an element of an array, or of one of its alternating slots
 *               | primitive(expr, ...)         arithmetic on one element
 *               | function(expr, ...)          a function that is written in this IR, such as tanh
 *
 * A part is written for one invocation, which knows the number of its workgroup within the part (`group`) and its own
 * number within the workgroup (`lane`). Loops carry the axis that they walk and its mapping: `lanes` is spread over a
 * workgroup, `time` is the loop of a recurrence, `serial` runs in order. Sums are added up in the order of the
 * statements: it follows from the shapes, never from the number of invocations.
 *
 * An expression is evaluated where its statement is. Facts about it (its type, the depth of the innermost variable that
 * it reads, whether it is uniform across a workgroup) are recorded when it is made; nothing is parsed from text.
 */
import type { Dim } from "../graph/dim.ts";
import type { DType } from "../graph/graph.ts";

export type Scalar = DType;
/** A scalar, or a vector of four f32. */
export type Type = Scalar | "f32x4";

/** Arithmetic that every target has. Integers wrap; comparisons and logic return bool. */
export type Primitive =
  | "add"
  | "sub"
  | "mul"
  /** Integer division truncates; division by 0 is undefined. */
  | "div"
  | "rem"
  | "neg"
  | "abs"
  /** If an operand is NaN, the result depends on the target. */
  | "min"
  | "max"
  | "floor"
  /** To the nearest integer, halves to even. */
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
  /** The same number in another scalar type. From f32 to an integer: defined inside its range only. */
  | "convert"
  /** The same 32 bits as another scalar type. */
  | "bitcast"
  /** Two f32 as a word of two f16, the first in its low half: packHalf(low, high). Defined for numbers of f16 only. */
  | "packHalf"
  /** An f16 of a word of two, as f32: unpackHalf(word, i) with a literal i, 0 for the low half. */
  | "unpackHalf"
  /** f32x4 from four f32, or from one f32 repeated. */
  | "vector"
  /** component(vector, i) with a literal i. */
  | "component"
  /** The value of lane `i` of the subgroup: fromLane(x, i) with a literal i. */
  | "fromLane"
  /** The value of lane `i` of the lane's own four neighbours: fromQuad(x, i) with a literal i. */
  | "fromQuad"
  /** The value of the lane whose number in the subgroup differs in these bits: fromLaneXor(x, mask), a literal mask. */
  | "fromLaneXor";

/** Memory of a kernel: buffers of the program, workgroup memory, registers of a lane. */
export type KernelArray = GlobalArray | LocalArray;

export interface GlobalArray {
  readonly space: "global";
  /** The number of the program's buffer. */
  readonly buffer: number;
  readonly name: string;
  /** As vectors, a buffer of f32 is read four elements at a time; a kernel reads it either so or one by one. */
  readonly element: "f32" | "i32" | "u32" | "f32x4";
}

export interface LocalArray {
  readonly space: "shared" | "registers";
  readonly name: string;
  readonly element: Type;
  readonly length: number;
  /**
   * How many slots of that length there are. Two alternate: a loop over time reads one while it writes the other. More
   * are slices, which lanes read side by side: with the slice as a slot, the index in it can be a constant.
   */
  readonly slots: number;
}

interface Common {
  /** Equal expressions of a kernel have equal ids. */
  readonly id: number;
  readonly type: Type;
  /** Depth of the innermost block whose variable it reads. */
  readonly depth: number;
  /** Whether it is made of literals only. */
  readonly isConstant: boolean;
  /** Whether all invocations of a workgroup that evaluate it get the same value. */
  readonly isUniform: boolean;
  /** Whether it loads from workgroup memory. */
  readonly readsShared: boolean;
}

export interface Literal extends Common {
  readonly kind: "literal";
  /** For f32 any number, including NaN and infinities; for bool 0 or 1. */
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
  /** Whether the index may be out of bounds; if it is, no result depends on the value. */
  readonly mayMiss: boolean;
  /** The index, and for an array with slots the slot. */
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

/**
 * A function that is written once for all targets, because some lack it or define it loosely. It reads no memory of the
 * kernel.
 */
export interface KernelFunction {
  readonly name: string;
  readonly parameters: readonly Variable[];
  readonly type: Scalar;
  readonly body: readonly Statement[];
  readonly result: Expr;
  /**
   * The same function, cheaper, for targets whose arithmetic is that of IEEE 754 as written: a compiler of WGSL may assume
   * that there is no NaN, and reassociate.
   */
  readonly exact?: KernelFunction;
}

/** What a loop walks over: its extent, and its role in the kernel. */
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

/** `variable` takes the values first, first + step, … below end. */
export interface For {
  readonly kind: "for";
  readonly axis: Axis;
  readonly mapping: Mapping;
  readonly variable: Variable;
  readonly first: Expr;
  readonly end: Expr;
  readonly step: Expr;
  /** The most iterations: a compiler that cannot bound `end` can bound the loop by this. */
  readonly most?: number;
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

/**
 * Number of workgroups: ceil(ceil(rows / rowsPer) * columns / lanes), if an invocation owns `rowsPer` rows of a column.
 */
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
  /** What the body stands for here, if several parts share it (places.ts). */
  readonly places?: PartPlaces;
}

/** In place of each of the buffers that a body numbers, and of each of its symbols, a sum of dimensions. */
export interface PartPlaces {
  readonly buffers: readonly Pick<GlobalArray, "buffer" | "name">[];
  readonly sums: readonly (readonly Dim[])[];
}

/**
 * Step numbers that a kernel receives: the current step of each enclosing loop, and the end of the chunk that it runs.
 */
export interface StepVariables {
  /** From the outermost loop inwards. */
  readonly counts: readonly Variable[];
  readonly end: Variable | undefined;
}

/**
 * Where workgroup memory lies, if that is a buffer of the program: each workgroup has a range of it, after `offset`. It is
 * workgroup memory all the same: no other workgroup sees it, and nothing in it outlives the workgroup.
 */
export interface SharedPlace {
  readonly array: GlobalArray;
  readonly offset: readonly Dim[];
}

export interface KernelCode {
  readonly workgroupSize: number;
  readonly parts: readonly Part[];
  readonly buffers: readonly { readonly array: GlobalArray; readonly access: "read" | "read_write" }[];
  readonly shared: readonly LocalArray[];
  /** Where the f32 of `shared` lie; in the memory of the workgroup if that is undefined. A kernel of one part only. */
  readonly sharedPlace?: SharedPlace;
  /** Values that it receives when it runs: symbols, and sums of dimensions. */
  readonly uniforms: readonly (readonly Dim[])[];
  readonly steps: StepVariables;
  /**
   * In a program for many models: for each of `buffers`, how many elements the copies of two models are apart, or undefined if
   * all share one. A kernel runs once per model, and each of its indices is one into that model's copy.
   */
  readonly strides?: readonly (readonly Dim[] | undefined)[];
  /** In a program for many models: the kernel runs only for those whose number here, a u32, is not 0. */
  readonly runsIf?: { readonly array: GlobalArray; readonly offset: readonly Dim[] };
}
