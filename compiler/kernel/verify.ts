/**
 * @file Checks a kernel of the IR without running it: names are declared and in scope, types fit, values marked uniform
 * are, all invocations reach every barrier, and memory is used as declared. Renderers rely on all of this.
 */
import { dimFactors } from "../graph/dim.ts";
import { InternalError } from "../graph/errors.ts";
import { typesFit } from "./expression-types.ts";
import type { Expr, KernelArray, KernelCode, KernelFunction, PartPlaces, Statement, Variable } from "./ir.ts";
import { arrayAt, sumAt } from "./places.ts";
import { printExpression, printStatement } from "./print.ts";
import { functionsOf, operandsOf, readsOtherLanes, statementsIn } from "./walk.ts";

/**
 * Returns the kernel.
 *
 * @throws InternalError that names the kernel, the statement and the rule.
 */
export function verifyKernel(name: string, code: KernelCode): KernelCode {
  if (!Number.isInteger(code.workgroupSize) || code.workgroupSize < 1)
    throw new InternalError(`kernel ${name} has a workgroup size of ${code.workgroupSize}`);
  for (const callee of functionsOf(code.parts)) verifyFunction(name, callee);
  const { counts, end } = code.steps;
  const given = [...counts, ...(end === undefined ? [] : [end])];
  for (const { group, lane, body, places } of code.parts) {
    const check = new BodyCheck(name, code, [...given, group, lane], places);
    if (lane.isUniform) check.fail("the lane is marked uniform");
    check.block(body, { isOutermost: true, isUniform: true });
  }
  const written = new Set(
    code.parts.flatMap(({ body, places }) =>
      statementsIn(body).map(
        (each) => each.kind === "store" && each.array.space === "global" && arrayAt(each.array, places).buffer,
      ),
    ),
  );
  for (const { array, access } of code.buffers) {
    const isWritten = written.has(array.buffer);
    if (isWritten !== (access === "read_write"))
      throw new InternalError(
        `kernel ${name} declares ${array.name} as ${access} but ${isWritten ? "writes" : "never writes"} it`,
      );
  }
  return code;
}

/** A function has only its own values: no memory, no lane, no barriers. */
function verifyFunction(kernel: string, { name, parameters, type, body, result }: KernelFunction): void {
  const check = new BodyCheck(`${kernel}, function ${name}`, undefined, parameters);
  check.block(body, { isOutermost: false, isUniform: false }, () => {
    check.expression(result);
    if (result.type !== type) check.fail(`returns ${result.type}, not ${type}`);
  });
}

/** Where a statement is. */
interface Place {
  /** Whether it is directly in a part's body. */
  readonly isOutermost: boolean;
  /** Whether all invocations of the workgroup reach it. */
  readonly isUniform: boolean;
}

interface Scope {
  readonly names: Map<string, Variable | KernelArray>;
  readonly registers: Set<Variable>;
}

class BodyCheck {
  readonly #where: string;
  /** Undefined for a function. */
  readonly #code: KernelCode | undefined;
  readonly #places: PartPlaces | undefined;
  readonly #scopes: Scope[];
  #statement: Statement | undefined;
  /** Whether some invocations may have left. */
  #haveLeft = false;

  constructor(where: string, code: KernelCode | undefined, given: readonly Variable[], places?: PartPlaces) {
    this.#where = where;
    this.#code = code;
    this.#places = places;
    this.#scopes = [{ names: new Map(), registers: new Set() }];
    for (const variable of given) this.#declare(variable);
    for (const { array } of code?.buffers ?? []) this.#declare(array);
    for (const array of code?.shared ?? []) this.#declare(array);
  }

  fail(fault: string): never {
    const at = this.#statement === undefined ? "" : `, at "${printStatement(this.#statement)[0]}"`;
    throw new InternalError(`kernel ${this.#where}${at}: ${fault}`);
  }

  /** Checks a block; `atEnd` runs at its end, with its scope. */
  block(body: readonly Statement[], place: Place, atEnd?: () => void): void {
    this.#scopes.push({ names: new Map(), registers: new Set() });
    for (const statement of body) {
      this.#statement = statement;
      this.#check(statement, place);
    }
    atEnd?.();
    this.#scopes.pop();
  }

  #declare(named: Variable | KernelArray): void {
    const scope = this.#scopes[this.#scopes.length - 1];
    if (scope?.names.has(named.name)) this.fail(`${named.name} is declared twice in one block`);
    scope?.names.set(named.name, named);
  }

  /** The declaration that a name refers to here. */
  #named(name: string): Variable | KernelArray | undefined {
    for (const { names } of [...this.#scopes].reverse()) {
      const found = names.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #check(statement: Statement, place: Place): void {
    if (this.#code === undefined && !["let", "var", "assign", "registers", "if"].includes(statement.kind))
      this.fail(`a function contains a ${statement.kind}`);
    switch (statement.kind) {
      case "let":
      case "var": {
        const { kind, variable, value } = statement;
        this.#typed(value, variable.type, variable.name);
        if (variable.isUniform && (kind === "var" || !value.isUniform))
          this.fail(`${variable.name} is marked uniform but differs between invocations`);
        this.#declare(variable);
        if (kind === "var") this.#scopes[this.#scopes.length - 1]?.registers.add(variable);
        return;
      }
      case "assign": {
        const { variable, value } = statement;
        this.#typed(value, variable.type, variable.name);
        this.#readable(variable);
        if (!this.#scopes.some(({ registers }) => registers.has(variable)))
          this.fail(`${variable.name} is assigned but is not a register`);
        return;
      }
      case "registers": {
        const { array, values } = statement;
        for (const value of values) this.#typed(value, array.element, array.name);
        if (values.length !== array.length || array.slots !== 1)
          this.fail(`${array.name} has ${array.length} elements and ${values.length} values`);
        this.#declare(array);
        return;
      }
      case "store":
        this.#typed(statement.value, statement.array.element, statement.array.name);
        this.#element(statement.array, statement.index, statement.slot);
        if (statement.how === "add" && statement.array.element === "bool") this.fail("adds bools");
        return;
      case "for":
        this.#loop(statement, place);
        return;
      case "if":
        this.#typed(statement.condition, "bool", "the condition");
        this.block(statement.body, {
          isOutermost: false,
          isUniform: place.isUniform && statement.condition.isUniform,
        });
        return;
      case "stage":
        // Barriers are before and after it.
        this.block(statement.body, { isOutermost: false, isUniform: false });
        return;
      case "leave":
        this.#typed(statement.condition, "bool", "the condition");
        if (!place.isOutermost) this.fail("invocations leave inside a block");
        this.#haveLeft ||= !statement.condition.isUniform;
        return;
      case "barrier":
        if (!place.isUniform) this.fail("not all invocations of a workgroup reach a barrier");
        if (this.#haveLeft) this.fail("a barrier follows a statement at which invocations leave");
    }
  }

  #loop(statement: Extract<Statement, { readonly kind: "for" }>, place: Place): void {
    const { variable, mapping, first, end, step, body } = statement;
    const bounds = [first, end, step];
    for (const bound of bounds) this.#typed(bound, "u32", variable.name);
    if (variable.type !== "u32") this.fail(`${variable.name} is ${variable.type}, but a loop variable must be u32`);
    if (step.kind === "literal" && step.value === 0) this.fail(`${variable.name} has step 0`);
    const { most } = statement;
    if (most !== undefined && !(Number.isInteger(most) && most > 0 && most < 2 ** 32))
      this.fail(`${variable.name} is bounded by ${most} iterations`);
    if (variable.isUniform && (mapping === "lanes" || !bounds.every(({ isUniform }) => isUniform)))
      this.fail(`${variable.name} is marked uniform but differs between invocations`);
    this.#scopes.push({ names: new Map([[variable.name, variable]]), registers: new Set() });
    this.block(body, { isOutermost: false, isUniform: place.isUniform && variable.isUniform });
    this.#scopes.pop();
  }

  #typed(expr: Expr, type: Expr["type"], what: string): void {
    this.expression(expr);
    if (expr.type !== type) this.fail(`${what} is ${type}, its value ${printExpression(expr)} is ${expr.type}`);
  }

  #readable(variable: Variable): void {
    const { name } = variable;
    const found = this.#named(name);
    if (found === variable) return;
    this.fail(found === undefined ? `${name} is not in scope` : `${name} is hidden by another declaration here`);
  }

  /** Checks an element of a declared array, by index and slot. */
  #element(given: KernelArray, index: Expr, slot: Expr | undefined): void {
    const array = given.space === "global" ? arrayAt(given, this.#places) : given;
    const { name, space } = array;
    const found = this.#named(name);
    const isSame = array.space === "global" ? isBuffer(found, array.buffer) : found === array;
    if (!isSame || (this.#code === undefined && space !== "registers")) this.fail(`${name} is not declared`);
    this.#typed(index, "u32", `an index of ${name}`);
    if (slot !== undefined) this.#typed(slot, "u32", `a slot of ${name}`);
    if (array.space === "global") return;
    if ((slot !== undefined) !== array.slots > 1) this.fail(`${name} has ${array.slots} slots`);
    if (index.kind === "literal" && index.value >= array.length)
      this.fail(`${name} has ${array.length} elements, but its index is ${index.value}`);
    if (slot?.kind === "literal" && slot.value >= array.slots)
      this.fail(`${name} has ${array.slots} slots, but its slot is ${slot.value}`);
  }

  expression(expr: Expr): void {
    for (const operand of operandsOf(expr)) this.expression(operand);
    const isOperandUniform = operandsOf(expr).every(({ isUniform }) => isUniform);
    if (expr.isUniform && !isOperandUniform)
      this.fail(`${printExpression(expr)} is marked uniform but differs between invocations`);
    switch (expr.kind) {
      case "literal":
        if (expr.type === "f32x4") this.fail("a literal is f32x4");
        return;
      case "size":
      case "uniform":
        this.#given(expr);
        return;
      case "variable":
        this.#readable(expr);
        return;
      case "load":
        this.#element(expr.array, expr.operands[0], expr.operands[1]);
        if (expr.type !== expr.array.element) this.fail(`${printExpression(expr)} is read as ${expr.type}`);
        return;
      case "call": {
        const { name, parameters, type } = expr.function;
        const fits = parameters.every((parameter, i) => parameter.type === expr.operands[i]?.type);
        if (!fits || parameters.length !== expr.operands.length || expr.type !== type)
          this.fail(`${name} is called as ${printExpression(expr)}`);
        return;
      }
      case "apply":
        if (!typesFit(expr)) {
          const types = expr.operands.map(({ type }) => type).join(", ");
          this.fail(`${expr.op} of ${types} cannot return ${expr.type} in ${printExpression(expr)}`);
        }
        if (readsOtherLanes(expr) && this.#code === undefined) this.fail("a function reads other lanes");
    }
  }

  /** Checks that the kernel receives a size: the sum itself, or all symbols of a product. */
  #given(expr: Extract<Expr, { readonly kind: "size" | "uniform" }>): void {
    const sums =
      expr.kind === "uniform" ? [sumAt(expr.sum, this.#places)] : dimFactors(expr.dim).map((symbol) => [symbol]);
    const known = new Set(this.#code?.uniforms.map((sum) => sum.join(" + ")) ?? []);
    for (const sum of sums)
      if (!known.has(sum.join(" + "))) this.fail(`the size ${sum.join(" + ")} is not a uniform of the kernel`);
    if (expr.type !== "u32") this.fail(`a size is ${expr.type}`);
  }
}

function isBuffer(found: Variable | KernelArray | undefined, buffer: number): boolean {
  return found !== undefined && "space" in found && found.space === "global" && found.buffer === buffer;
}
