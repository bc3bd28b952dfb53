/**
 * Installs the client on import: `node --import acebase-ipc-server/register app.js`, or with `--require`
 * (docs/CLIENT.md). The only module of this package that does something when it is imported.
 */

import './node-check.js';
import { install } from './client/install.js';

install();
