import { configDefaults, defineConfig } from 'vitest/config';

const common = {
  testTimeout: 600_000,
  hookTimeout: 600_000,
  maxWorkers: 2,
  env: { TESTS_IN_FULL: '1' },
} as const;

/** What `npm test` leaves out, because it takes long or installs things: a part of `npm run test:nightly`. */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/browser-notice.ts', './test/support/nginx-notice.ts'],
    projects: [
      { test: { ...common, name: 'nightly', include: ['test/**/*.nightly.test.ts'] } },
      {
        test: {
          ...common,
          name: 'in full',
          // Of which `npm test` has a short form.
          include: ['test/{conformance,crash,e2e,package,simulation}/**/*.test.ts'],
          exclude: [...configDefaults.exclude, '**/*.nightly.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
