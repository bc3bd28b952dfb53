/** Preload: this process keeps what it remembers of the file, whatever others have written. A campaign must find that. */
'use strict';

const { dirname, join } = require('node:path');

// As programs load it: its modules need each other.
require('acebase');
const folder = dirname(require.resolve('acebase'));
const { AceBaseStorage } = require(join(folder, 'storage/binary/binary-storage.js'));
const { invalidateCache } = AceBaseStorage.prototype;
AceBaseStorage.prototype.invalidateCache = function (fromIPC, ...rest) {
  if (!fromIPC) invalidateCache.call(this, fromIPC, ...rest);
};
