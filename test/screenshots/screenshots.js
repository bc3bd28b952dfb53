/**
 * `npm run dashboard:screenshots`: pictures of the dashboard of a real cluster. Those that the documents show go to
 * docs/images; with `--all <folder>`, all states in both themes and widths go there.
 */
import { parseArgs } from 'node:util';
import '../support/register-typescript.js';

const { takePictures } = await import('./pictures.js');

const { values } = parseArgs({
  options: {
    /** How long the cluster works before it is photographed; the plots show five minutes. */
    seconds: { type: 'string', default: '310' },
    all: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
if (!(seconds >= 1)) {
  console.error(`--seconds must be a number of at least 1, not "${values.seconds}"`);
  process.exit(2);
}
for (const file of await takePictures(seconds, values.all)) console.log(file);
