import { defineConfig } from "vite";

// Shopify's CLI bundles src/index.ts itself when the extension is deployed; this one is for the local Shopify and the tests.
export default defineConfig({
  cacheDir: "../../node_modules/.vite-pixel",
  build: {
    outDir: "dist",
    target: "es2020",
    lib: { entry: "src/index.ts", formats: ["iife"], name: "shelfwisePixel", fileName: () => "index.js" },
  },
});
