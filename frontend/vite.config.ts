import preact from "@preact/preset-vite";
import { themes } from "@shopify/polaris-tokens";
import { defineConfig } from "vite";

// The few Polaris colours that our plots need, taken at build time: the whole token table would be twice the app.
const light = themes.light.color;
const colours = {
  text: light["color-text"],
  textSecondary: light["color-text-secondary"],
  border: light["color-border-secondary"],
  surface: light["color-bg-surface"],
  best: light["color-bg-fill-success"],
  second: light["color-icon-info"],
  third: light["color-icon-caution"],
  none: light["color-bg-fill-tertiary-active"],
  brand: light["color-bg-fill-emphasis"],
  baseline: light["color-icon-secondary"],
};

export default defineConfig({
  base: "/static/",
  cacheDir: "../node_modules/.vite",
  plugins: [preact()],
  define: { __POLARIS_COLOURS__: JSON.stringify(colours) },
  build: {
    outDir: "dist",
    // Older files stay: a page that is open, and a server that has not been restarted, still ask for them by name.
    emptyOutDir: false,
    manifest: true,
    // Plotly is loaded only when a plot is on the page.
    chunkSizeWarningLimit: 1300,
    rolldownOptions: { input: "src/main.tsx" },
  },
});
