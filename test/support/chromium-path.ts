import { existsSync } from 'node:fs';

/** Where Chromium is, or `undefined` if there is none. First the one without a window, which takes half as much of the processor. */
export const chromiumPath: string | undefined = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path));
