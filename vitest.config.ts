import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { LongFirst } from './test/support/long-first.js';

/** What takes long or installs things: `npm run test:nightly` has it. */
const exclude = [...configDefaults.exclude, '**/*.nightly.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './test/support/browser-notice.ts', './test/support/nginx-notice.ts'],
    sequence: { sequencer: LongFirst },
    // Most of the time they wait for processes that they have started.
    maxWorkers: 2 * availableParallelism(),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          exclude,
          testTimeout: 30_000,
          // They change nothing that others see, and loading everything anew for each file takes longer than the tests.
          isolate: false,
          setupFiles: 'test/support/fuzz-settings.ts',
        },
      },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          exclude,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          exclude,
          // Beside tests of real processes.
          testTimeout: 120_000,
        },
      },
      { test: { name: 'package', include: ['test/package/**/*.test.ts'], exclude, testTimeout: 120_000 } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
