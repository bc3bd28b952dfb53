/**
 * `npm run test:matrix`: published versions of acebase and acebase-server against this server, all of one version and
 * mixed. Needs npm's registry at the first run. `-- --only 1.12.3` plays only the rows whose name matches.
 */
import { parseArgs } from 'node:util';
import '../support/register-typescript.js';

const { runMatrix } = await import('./matrix.js');

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const failures = await runMatrix(values.only === undefined ? undefined : new RegExp(values.only));
process.exitCode = failures.length > 0 ? 1 : 0;
