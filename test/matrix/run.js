/**
 * `npm run test:matrix`: published versions of acebase and acebase-server against this server, all of one version and
 * mixed. Needs npm's registry at the first run. `-- --only 1.12.3` plays only the rows whose name matches.
 */
import '../support/register-typescript.js';

const { commandLine, CommandLineError, text } = await import('../support/command-line.ts');
const { casts } = await import('./casts.ts');
const { runMatrix } = await import('./matrix.ts');

const names = casts.map(({ name }) => name);
const { values } = commandLine(
  `npm run test:matrix -- [--only <pattern>]\n\n  --only <pattern>  only rows whose name matches\n`,
  { only: { ...text(undefined), read: rowsThatMatch } },
);
const failures = await runMatrix(values.only);

function rowsThatMatch(given) {
  let pattern;
  try {
    pattern = new RegExp(given);
  } catch (error) {
    throw new CommandLineError(`must be a regular expression: ${error.message}`);
  }
  if (names.some((name) => pattern.test(name))) return pattern;
  throw new CommandLineError(`matches none of the rows: ${names.join('; ')}`);
}
process.exitCode = failures.length > 0 ? 1 : 0;
