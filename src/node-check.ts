/** Ends with one clear line where Node.js is too old. To be imported first: what follows is not evaluated then. */

import { nodeProblem } from './node-version.js';

const problem = nodeProblem(process.versions.node);
if (problem !== undefined) throw problem;
