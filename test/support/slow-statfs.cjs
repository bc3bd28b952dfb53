/** Preload (`NODE_OPTIONS=--require …`): to ask how much room there is takes `SLOW_STATFS_MS`. That is done right before files are copied. */
'use strict';

const { promises } = require('node:fs');

const { statfs } = promises;
promises.statfs = async (...details) => {
  await new Promise((resolve) => setTimeout(resolve, Number(process.env.SLOW_STATFS_MS)));
  return statfs(...details);
};
