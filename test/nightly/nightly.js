/** `npm run test:nightly`: what takes too long for `npm test`, part by part. */
import '../support/register-typescript.js';

const { nightly } = await import('./nightly.ts');
process.exitCode = await nightly();
