/**
 * Preload (`node --require`): a disk on which writes overtake each other, as the threads of Node let them. A write of the table
 * of free space, or of keys, takes `UNORDERED_MS` if no other one of that table is under way; those that come meanwhile are done at
 * once. So it is with changes of the length of the file.
 */
'use strict';

const fs = require('node:fs');

/** Where AceBase has its table of keys, and that of free space. */
const TABLES = new Set([64, 65536]);
const LATE_MS = Number(process.env.UNORDERED_MS ?? 300);

/** What is under way: by file and place. */
const underWay = new Map();

function unordered(name, keyOf) {
  const original = fs[name];
  fs[name] = (file, ...rest) => {
    const key = keyOf(file, rest);
    if (key === undefined) return original.call(fs, file, ...rest);
    const callback = rest.pop();
    const others = underWay.get(key) ?? 0;
    underWay.set(key, others + 1);
    const act = () =>
      original.call(fs, file, ...rest, (...results) => {
        underWay.set(key, underWay.get(key) - 1);
        callback(...results);
      });
    // Only the first of them waits: those that come meanwhile overtake it.
    return others === 0 ? setTimeout(act, LATE_MS) : act();
  };
}

unordered('write', (file, [, , , place]) => (TABLES.has(place) ? `${file} ${place}` : undefined));
unordered('ftruncate', (file) => `${file} length`);
