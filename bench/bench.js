/** `npm run bench`: see main.ts. Plain Node runs the TypeScript of this folder. */
import '../test/support/register-typescript.js';

const { main } = await import('./main.js');
await main();
