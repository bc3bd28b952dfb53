/**
 * Preload: this process is not told that its locks, and the use of the file, are a lease. It goes on with what it held however long it was cut
 * off or stopped. A campaign must find that.
 */
'use strict';

const { parse } = JSON;
JSON.parse = (...given) => {
  const value = parse(...given);
  if (value?.session?.lease !== undefined) delete value.session.lease;
  return value;
};
