/** `node start.js '{"port":…}'`: the process of a load generator. */

import { type GeneratorOrder, run } from './generator.js';

// Without its parent nobody would ever end this process.
process.on('disconnect', () => process.exit(0));
await run(JSON.parse(process.argv[2] ?? 'null') as GeneratorOrder);
