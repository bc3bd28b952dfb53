/** Preload, behind the client: its journal is to be that of the environment. */
'use strict';

require('../../dist/client.cjs').install({ journal: process.env.JOURNAL });
