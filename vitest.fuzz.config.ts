import { defineConfig } from 'vitest/config';

const {
  FRAME_FUZZ_RUNS = '1000000',
  // Another one in each run.
  FRAME_FUZZ_SEED = String(Date.now() % 1_000_000_000),
} = process.env;

/** `npm run fuzz`: the properties of frames and messages of the normal test run, each over a million inputs. */
export default defineConfig({
  test: {
    include: ['test/conformance/frames.test.ts', 'test/conformance/scanners.test.ts'],
    env: { FRAME_FUZZ_RUNS, FRAME_FUZZ_SEED },
    testTimeout: 3_600_000,
  },
});
