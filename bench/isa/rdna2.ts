/**
 * @file The constants of the cycle model: RDNA 2 as in Navi 21 (Radeon RX 6800 XT and 6900 XT), in cycles of the shader
 * clock. Change one only with a measurement on such a chip, and name it here.
 *
 * Sources:
 * - [WP] AMD, "Introducing RDNA Architecture", whitepaper, 2019: dual compute units (here "WGP") of four SIMDs of 32
 *   lanes, a wave of 64 as two passes of 32, caches, local data share.
 * - [ISA] AMD, "RDNA 2 Instruction Set Architecture Reference Guide", 2020: counters that waits wait for, which returns
 *   are in order, sizes of registers and workgroup memory.
 * - [ACO] Mesa, src/amd/compiler/aco_statistics.cpp, the compiler's own estimate for GFX10: issue and result latencies of
 *   arithmetic. Its latencies of memory it calls "a bit nonsense".
 * - [CC] Chips and Cheese, "Measuring GPU Memory Latency", 16 April 2021, pointer chasing on an RX 6800 XT: L2 about 66 ns
 *   beyond L0, Infinity Cache about 20 ns beyond L2. At 2.25 GHz these are 148 and 45 cycles.
 * - [assumed]: no published figure was found; the value is a guess within the range that is common on GPUs.
 *
 * Error it is believed to have: a factor of 1.5 either way for loops bound by latency, of 1.3 for those bound by issue or
 * bandwidth, of 2 for short kernels, where the cost of a dispatch decides. Ratios of two kernels of one kind are better
 * than that. No GPU has confirmed any of it.
 */

export interface Chip {
  readonly name: string;
  /** Workgroup processors (dual compute units), the SIMDs of each, and lanes of a SIMD. */
  readonly processors: number;
  readonly simds: number;
  readonly simdLanes: number;
  /** Vector registers of a SIMD in waves of 64, how many are given out at a time, and the most waves of a SIMD. */
  readonly registers: number;
  readonly registerGranule: number;
  readonly waves: number;
  /** Bytes of workgroup memory that the workgroups on a processor share. */
  readonly localBytes: number;
  /** Lanes of a wave. */
  readonly waveLanes: number;
  readonly issue: {
    /** Vector arithmetic: one pass for each `simdLanes` lanes. */
    readonly vectorPass: number;
    /** A pass of the unit for transcendental functions. */
    readonly transcendentalPass: number;
    /** A pass of a product of 32-bit integers. */
    readonly wideIntegerPass: number;
    readonly scalar: number;
    /** A pass of the addresses of a load or store. */
    readonly memoryPass: number;
    /** Beyond one cycle, for a branch that is taken: the instructions that follow must be fetched. */
    readonly branchTaken: number;
  };
  readonly latency: {
    readonly vector: number;
    readonly transcendental: number;
    readonly wideInteger: number;
    readonly scalar: number;
    readonly local: number;
    /** A scalar load that hits its cache: descriptors, uniforms. */
    readonly scalarCache: number;
    /** A scalar load of a storage buffer beyond that. */
    readonly scalarFar: number;
    readonly l0: number;
    readonly l1: number;
    readonly l2: number;
    readonly infinityCache: number;
    /** From the arrival of the last wave at a barrier to the next instruction of any. */
    readonly barrier: number;
    /** From the end of one dispatch to the start of the next that reads what it wrote. */
    readonly dispatch: number;
  };
  /** Bytes of a cache line, and of each cache. L0 is one per compute unit, L1 one per 5 processors. */
  readonly lineBytes: number;
  readonly l0Bytes: number;
  readonly l1Bytes: number;
  readonly l2Bytes: number;
  /** Bytes a cycle: L0 and workgroup memory of one processor (two compute units), L2 of the whole chip. */
  readonly l0Bandwidth: number;
  readonly l2Bandwidth: number;
  /** Banks of workgroup memory of one compute unit, each with 4 bytes a cycle, and compute units of a processor. */
  readonly banks: number;
  readonly units: number;
}

export const rdna2: Chip = {
  name: "RDNA 2 (Navi 21)",
  processors: 40, // [WP] of 80 compute units
  simds: 4, // [WP]
  simdLanes: 32, // [WP]
  registers: 512, // [WP] 128 KiB a SIMD
  registerGranule: 8, // [ISA]
  waves: 16, // [ISA]
  localBytes: 128 * 1024, // [WP] [ISA]
  waveLanes: 64, // RADV compiles compute kernels for waves of 64
  issue: {
    vectorPass: 1, // [WP] [ACO]
    transcendentalPass: 4, // [WP] quarter rate, [ACO]
    wideIntegerPass: 4, // [ACO]
    scalar: 1, // [WP] [ACO]
    memoryPass: 1, // [WP] 32 addresses a cycle, [ACO]
    branchTaken: 8, // [assumed]
  },
  latency: {
    vector: 5, // [ACO]
    transcendental: 10, // [ACO]
    wideInteger: 8, // [ACO]
    scalar: 2, // [ACO]
    local: 60, // [assumed]; [ACO] takes 20, which is below what pointer chasing finds on GPUs
    scalarCache: 30, // [ACO]
    scalarFar: 200, // [ACO]
    l0: 120, // [assumed]
    l1: 190, // [assumed] between L0 and L2
    l2: 268, // [CC] 148 beyond L0
    infinityCache: 313, // [CC] 45 beyond L2; [ACO] takes 320 for every load
    barrier: 30, // [assumed]
    dispatch: 4500, // [assumed] 2 microseconds at 2.25 GHz
  },
  lineBytes: 128, // [WP]
  l0Bytes: 16 * 1024, // [WP]
  l1Bytes: 128 * 1024, // [WP]
  l2Bytes: 4 * 1024 * 1024, // [CC]
  l0Bandwidth: 256, // [WP] a line of 128 bytes a cycle from each of two L0
  l2Bandwidth: 1024, // [WP] 64 bytes a cycle from each of 16 slices
  banks: 32, // [WP]
  units: 2, // [WP]
};
