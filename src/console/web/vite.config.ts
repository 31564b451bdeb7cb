import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** The console's address while `vite` serves the front end; see `NETOBSERV_URL`. */
const backend = process.env.NETOBSERV_URL ?? 'http://127.0.0.1:9001';

/** A plain script in the head, because it must run before the first paint, and modules don't. */
const themeScript: Plugin = {
  name: 'theme-script',
  transformIndexHtml: () => [
    { tag: 'script', attrs: { src: './theme.js' }, injectTo: 'head-prepend' },
  ],
};

export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that the console also works behind a path prefix of a reverse proxy.
  base: './',
  plugins: [react(), themeScript],
  server: { proxy: { '/api': backend } },
  build: {
    outDir: '../../../build/web',
    emptyOutDir: true,
    target: 'es2023',
    // Small assets stay files: the content security policy allows no data: URLs for scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
