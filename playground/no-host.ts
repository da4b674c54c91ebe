/** @file Stands where the hosts of Node and Deno are: a browser has its own WebGPU and never loads them. */
export {};
