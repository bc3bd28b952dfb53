import { fileURLToPath } from 'node:url';

/**
 * Flags of Node with which a CommonJS program that opens AceBase starts in two thirds of its time. The client does not load the ES build of
 * AceBase, which such a program has no use for; where Node.js cannot `require` ES modules it does not either.
 */
export const WITHOUT_ES_BUILD = ['--no-experimental-require-module'] as const;

/** The same, and AceBase does not find rxjs: to be given before other preloads. */
export const QUICK_START = [
  ...WITHOUT_ES_BUILD,
  '--require',
  fileURLToPath(new URL('without-rxjs.cjs', import.meta.url)),
] as const;
