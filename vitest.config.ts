import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { LongFirst } from './test/support/long-first.js';

const common = {
  /** What takes long or installs things: `npm run test:nightly` has it. */
  exclude: [...configDefaults.exclude, '**/*.nightly.test.ts'],
  /** Test files change nothing that others see, and loading everything anew for each takes longer than many a test. */
  isolate: false,
  testTimeout: 120_000,
};

export default defineConfig({
  test: {
    reporters: ['default', './test/support/browser-notice.ts', './test/support/nginx-notice.ts'],
    sequence: { sequencer: LongFirst },
    // Most of the time they wait for processes that they have started.
    maxWorkers: 2 * availableParallelism(),
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 30_000,
          setupFiles: 'test/support/fuzz-settings.ts',
        },
      },
      { test: { ...common, name: 'conformance', include: ['test/conformance/**/*.test.ts'] } },
      { test: { ...common, name: 'simulation', include: ['test/simulation/**/*.test.ts'] } },
      { test: { ...common, name: 'package', include: ['test/package/**/*.test.ts'] } },
      { test: { ...common, name: 'e2e', include: ['test/e2e/**/*.test.ts'], hookTimeout: 60_000 } },
    ],
  },
});
