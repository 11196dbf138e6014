// In place of Zarr's codecs, which are WebAssembly: the report's images are NIfTI.
export default undefined;
