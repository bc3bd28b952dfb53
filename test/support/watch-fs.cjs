/** Preload (`node --require`): says on stderr what a process does to files of databases, and to folders of them. */
'use strict';

const fs = require('node:fs');

for (const name of ['open', 'mkdir', 'writeFile', 'rename', 'rm', 'unlink', 'truncate']) {
  const original = fs[name];
  fs[name] = (path, ...rest) => {
    if (/\.acebase/.test(String(path))) process.stderr.write(`fs.${name} ${path}\n`);
    return original.call(fs, path, ...rest);
  };
}
