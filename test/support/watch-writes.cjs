/**
 * Preload, before all others (`NODE_OPTIONS=--require …`): says on stderr when a process changes files of databases, in milliseconds
 * since 1970. What it sees has passed all that others put in between.
 */
'use strict';

const fs = require('node:fs');

const files = new Set();
const say = (what) => process.stderr.write(`changes a file by ${what} at ${Date.now()}\n`);

const { open } = fs;
fs.open = (path, ...rest) => {
  const callback = rest.pop();
  return open.call(fs, path, ...rest, (error, file) => {
    if (error === null && /\.acebase/.test(String(path))) files.add(file);
    callback(error, file);
  });
};
const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  const file = openSync.call(fs, path, ...rest);
  if (/\.acebase/.test(String(path))) files.add(file);
  return file;
};
for (const name of ['write', 'writeSync', 'writev', 'ftruncate', 'ftruncateSync']) {
  const original = fs[name];
  fs[name] = (file, ...rest) => {
    if (files.has(file)) say(name);
    return original.call(fs, file, ...rest);
  };
}
for (const name of ['writeFile', 'rename', 'rm', 'unlink', 'truncate']) {
  const original = fs[name];
  fs[name] = (path, ...rest) => {
    if (/\.acebase/.test(String(path))) say(name);
    return original.call(fs, path, ...rest);
  };
}
