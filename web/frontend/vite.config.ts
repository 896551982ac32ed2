import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"], // which know light-dark()
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // `npm run dev` beside `python main.py web --port 8000`
  server: { proxy: { "/api": process.env.API ?? "http://127.0.0.1:8000" } },
});
