import { defineConfig } from 'vitest/config';

/** The files that `npm test` leaves out, because they take long or install things: a part of `npm run test:nightly`. */
export default defineConfig({
  test: {
    include: ['test/**/*.nightly.test.ts'],
    reporters: ['default', './test/support/browser-notice.ts', './test/support/nginx-notice.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
    passWithNoTests: true,
  },
});
