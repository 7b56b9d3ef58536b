import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a running gateway.
const backend = process.env.HELIOGRAPH_URL ?? "http://127.0.0.1:8025";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("src", import.meta.url)) } },
  build: {
    outDir: "dist/app",
    emptyOutDir: true,
    target: "es2022",
    manifest: true, // scripts/weigh.mjs reads which files a page needs
    assetsInlineLimit: 0, // a policy without data: for scripts and fonts stays true
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500, // what counts is the first load, which scripts/weigh.mjs weighs
  },
  server: { proxy: { "/api": { target: backend, ws: true, changeOrigin: true, rewriteWsOrigin: true } } },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test/setup.ts"],
  },
});
