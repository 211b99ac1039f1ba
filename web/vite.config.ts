import { defineConfig } from "vite";

// Names without hashes: the built files are committed and embedded, so a rebuild should change contents, not the list of files.
export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  server: { proxy: { "/v1": "http://127.0.0.1:8081", "/health": "http://127.0.0.1:8081" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      output: { entryFileNames: "page.js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" },
    },
  },
});
