/**
 * Preload (`node --require`): as if rxjs were not installed, which is an optional dependency of AceBase that it loads when it
 * is there. No test here observes anything with it, and its 200 files are a quarter of the time that a process takes to start.
 */
'use strict';

const Module = require('node:module');

const { _resolveFilename } = Module;
Module._resolveFilename = (request, ...rest) => {
  if (request === 'rxjs') throw Object.assign(new Error('left out by a test'), { code: 'MODULE_NOT_FOUND' });
  return _resolveFilename.call(Module, request, ...rest);
};
