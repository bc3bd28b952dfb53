// A server that collects all garbage every few seconds. What it has in memory is then what it keeps; without this it is
// also how long ago V8 last saw a reason to collect, which is minutes in a heap this small.
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

const EVERY_MS = 5_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
setInterval(() => collect(), EVERY_MS).unref();
