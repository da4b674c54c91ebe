/** The part of wgsl_reflect that the tests use. */
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export interface VariableInfo {
    readonly name: string;
    readonly group: number;
    readonly binding: number;
    readonly access: string;
    /** Of an array; a vector has the type of its components. */
    readonly format: { readonly name: string; readonly format?: { readonly name: string } | null } | null;
    readonly members: readonly { readonly name: string }[] | null;
  }
  export interface FunctionInfo {
    readonly name: string;
    readonly attributes: readonly { readonly name: string; readonly value: string | readonly string[] | null }[] | null;
  }
  export class WgslReflect {
    constructor(code: string);
    readonly entry: { readonly compute: readonly FunctionInfo[] };
    readonly storage: readonly VariableInfo[];
    readonly uniforms: readonly VariableInfo[];
  }
}
