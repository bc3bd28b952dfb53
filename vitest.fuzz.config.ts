import { defineConfig } from 'vitest/config';

/** `npm run fuzz`: the properties of frames and messages of the normal test run, each over a million inputs. */
export default defineConfig({
  test: {
    include: ['test/conformance/frames.test.ts', 'test/conformance/scanners.test.ts'],
    env: { FRAME_FUZZ_RUNS: process.env['FRAME_FUZZ_RUNS'] ?? '1000000' },
    testTimeout: 3_600_000,
  },
});
