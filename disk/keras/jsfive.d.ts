/** The package brings no types; what of it is used stands in hdf5.ts. */
declare module "jsfive";
