import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { LongFirst } from './test/support/long-first.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    /** What takes long or installs things: `npm run test:nightly` has it. */
    exclude: [...configDefaults.exclude, '**/*.nightly.test.ts'],
    // Test files change nothing that others see, and to load everything anew for each takes longer than many a test.
    isolate: false,
    setupFiles: 'test/support/fuzz-settings.ts',
    reporters: ['default', './test/support/browser-notice.ts', './test/support/nginx-notice.ts'],
    sequence: { sequencer: LongFirst },
    // Most of the time they wait for processes that they have started.
    maxWorkers: 2 * availableParallelism(),
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
