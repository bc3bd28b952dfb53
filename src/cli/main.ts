#!/usr/bin/env node
/** The command `acebase-ipc-server`: looks whether this Node.js can run it, and loads the rest. */

import { nodeProblem } from '../node-version.js';

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  const { runCommand } = await import('./command.js');
  await runCommand();
} else {
  console.error(problem.message);
  process.exitCode = 1;
}
