// What the report's viewer takes from NiiVue; everything else that esbuild can tell is not used is left out.
export { MULTIPLANAR_TYPE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from "@niivue/niivue";
