import fc from 'fast-check';

/** Always the same inputs, unless a run asks for others: `npm test` must not fail because of what was drawn. */
const FIXED_SEED = 1;

/** FRAME_FUZZ_RUNS: how many inputs of frames and messages are tried. */
export const numRuns = wholeNumber('FRAME_FUZZ_RUNS') ?? 500;

/** FRAME_FUZZ_SEED: which. fast-check prints the seed of a failure, too. */
export const seed = wholeNumber('FRAME_FUZZ_SEED') ?? FIXED_SEED;

// For properties that say nothing of it. This file is in `setupFiles`.
fc.configureGlobal({ seed });

function wholeNumber(name: string): number | undefined {
  const given = process.env[name];
  if (given === undefined) return undefined;
  if (/^\d{1,9}$/.test(given)) return Number(given);
  throw new Error(`${name} must be a whole number below 1,000,000,000, not "${given}"`);
}
