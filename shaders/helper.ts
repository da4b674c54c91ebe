/** @file The form of a function in WGSL that kernels may call. */
export interface Helper {
  readonly name: string;
  /** Other such functions that its text calls. */
  readonly needs?: readonly string[];
  readonly wgsl: string;
}
