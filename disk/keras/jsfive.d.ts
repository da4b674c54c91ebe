/** The package has no types; hdf5.ts declares the part that is used. */
declare module "jsfive";
