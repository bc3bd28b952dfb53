/** Preload (`NODE_OPTIONS=--require …`): folders whose path has `STUCK_RM` in it cannot be removed. */
'use strict';

const { promises } = require('node:fs');

const { rm } = promises;
promises.rm = async (path, options) => {
  if (String(path).includes(process.env.STUCK_RM))
    throw Object.assign(new Error(`EACCES: permission denied, rm '${path}'`), { code: 'EACCES' });
  return rm(path, options);
};
