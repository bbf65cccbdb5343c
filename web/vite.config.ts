import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";

import { type Plugin, defineConfig } from "vite";

const require = createRequire(import.meta.url);
const runtime = require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
const { version } = JSON.parse(
  readFileSync(new URL("node_modules/onnxruntime-web/package.json", import.meta.url), "utf8"),
);
const runtimeFile = `assets/onnxruntime-${version}.wasm.gzip`;

/** 14 MB of WebAssembly become 4. The ending is not .gz: hosts undo that one by themselves. */
const compressedRuntime: Plugin = {
  name: "compressed-runtime",
  generateBundle() {
    this.emitFile({
      type: "asset",
      fileName: runtimeFile,
      source: gzipSync(readFileSync(runtime), { level: 9 }),
    });
  },
};

/** onnxruntime's script names the file that it would load by itself; it is not to be copied. */
const noOtherRuntime: Plugin = {
  name: "no-other-runtime",
  generateBundle(_, bundle) {
    for (const name of Object.keys(bundle)) if (name.endsWith(".wasm")) delete bundle[name];
  },
};

export default defineConfig({
  base: "./",
  define: { RUNTIME_FILE: JSON.stringify(runtimeFile) },
  build: {
    outDir: "../src/ferboost/page/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  plugins: [compressedRuntime, noOtherRuntime],
  worker: { format: "es", plugins: () => [noOtherRuntime] },
});
