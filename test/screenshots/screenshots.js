/**
 * `npm run dashboard:screenshots`: pictures of the dashboard of a real cluster. Those that the documents show go to
 * docs/images; with `--all <folder>`, all states in both themes and widths go there.
 */
import '../support/register-typescript.js';

const { commandLine, positiveNumber, text } = await import('../support/command-line.ts');

const USAGE = `npm run dashboard:screenshots -- [options]

  --seconds <n>   how long the cluster works before it is photographed: 310, unless given; the plots show five minutes
  --all <folder>  all states, themes and widths, into this folder
`;

const { values } = commandLine(USAGE, { seconds: positiveNumber(310), all: text(undefined) });
const { takePictures } = await import('./pictures.ts');
for (const file of await takePictures(values.seconds, values.all)) console.log(file);
