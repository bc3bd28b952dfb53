/** `node start.js '{"port":…}'`: a load generator. */
import '../../test/support/register-typescript.js';

// Without its parent nobody would ever end this process.
process.on('disconnect', () => process.exit(0));
const { run } = await import('./generator.js');
await run(JSON.parse(process.argv[2] ?? 'null'));
