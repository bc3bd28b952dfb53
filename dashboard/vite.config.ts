import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Four files with fixed names, which src/server/routes/dashboard.ts serves. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Addresses are relative, so that the page works behind a proxy that serves it below a path.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The Content-Security-Policy of the page lets it load from its own server only, and nothing from `data:`.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: { entryFileNames: 'dashboard.js', assetFileNames: 'dashboard[extname]' },
    },
  },
});
