/** Who may import whom (docs/ARCHITECTURE.md, "Arrows"): `npm run lint:imports`; `npm run imports` draws it. */

/** The rooms of the broker, from the top: each imports what stands below it. */
const BROKER = [
  ['broker'],
  ['bulkhead', 'database'],
  ['router', 'drain', 'succession'],
  ['requests/'],
  ['identity/', 'locks/'],
  ['file-metadata'],
  ['journal-switch'],
  ['mastership'],
  ['server-requests'],
  ['usage'],
  ['peers/'],
  ['invariants', 'limits', 'memory', 'ports'],
];

const pathOf = (room) => (room.endsWith('/') ? `^src/broker/${room}` : `^src/broker/${room}\\.ts$`);

/** What must not be. */
const rule = (name, from, to) => ({ name, severity: 'error', from, to });

const brokerRules = BROKER.slice(1).map((rooms, index) =>
  rule(
    `broker-${rooms[0]?.replace('/', '')}-knows-nothing-above`,
    { path: rooms.map(pathOf) },
    {
      path: BROKER.slice(0, index + 1)
        .flat()
        .map(pathOf),
    },
  ),
);

/** What a room of `src` imports beside itself. */
const room = (name, { of, packages = [], coreModules = false }) => ({
  name,
  severity: 'error',
  comment: `only ${[...of, ...packages].join(', ') || 'itself'}`,
  from: { path: `^src/${name}/` },
  to: {
    pathNot: [
      `^src/${name}/`,
      ...of.map((it) => `^src/${it}`),
      ...packages.map((it) => `node_modules/${it}/`),
    ],
    ...(coreModules ? { dependencyTypesNot: ['core'] } : {}),
  },
});

module.exports = {
  forbidden: [
    rule('no-circles', {}, { circular: true }),
    {
      name: 'broker-files-have-a-place',
      severity: 'error',
      comment: 'a new room of the broker belongs into the list above',
      from: { path: '^src/broker/', pathNot: BROKER.flat().map(pathOf) },
      to: {},
    },
    ...brokerRules,
    room('protocol', { of: [] }),
    room('broker', { of: ['protocol/', 'errors\\.ts$', 'linked-queue\\.ts$'] }),
    // From below: AceBase's parts, what takes their places, the journal, and what puts all in.
    rule(
      'patches-know-nothing-above',
      { path: '^src/client/patches/' },
      { path: '^src/client/(?!patches/|core/|acebase\\.ts$)' },
    ),
    rule(
      'the-journal-knows-nothing-above',
      { path: '^src/client/journal/' },
      { path: '^src/client/(?!journal/|patches/|core/|acebase\\.ts$)' },
    ),
    room('client/core', { of: ['protocol/', 'errors\\.ts$', 'system-error\\.ts$', 'elapsed\\.ts$'] }),
    room('stock', { of: ['platform/clock\\.ts$'], coreModules: true }),
    rule(
      'nobody-knows-what-programs-use',
      { path: '^src/', pathNot: '^src/stock/' },
      { path: '^src/stock/' },
    ),
    room('options', { of: ['errors\\.ts$', 'system-error\\.ts$'], packages: ['zod'], coreModules: true }),
    rule(
      'managed-masters-know-ports-and-settings-only',
      { path: '^src/managed-masters/' },
      { path: '^src/(?:broker|options|protocol)/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'only-the-server-and-the-command-know-managed-masters',
      { path: '^src/(?!managed-masters/|server/|cli/)' },
      { path: '^src/managed-masters/' },
    ),
    rule(
      'broker-knows-types-of-errors-only',
      { path: '^src/broker/' },
      { path: '^src/errors\\.ts$', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'only-the-command-knows-the-command',
      { path: '^src/', pathNot: '^src/cli/' },
      { path: '^src/cli/' },
    ),
    rule(
      'only-server-and-command-know-the-server',
      { path: '^src/(?!server/|cli/|index\\.ts)' },
      { path: '^src/server/' },
    ),
    rule(
      'the-client-knows-nothing-of-the-server-but-types',
      { path: '^src/client/' },
      { path: '^src/(?:broker|server|websocket|options|cli)/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'nobody-knows-the-client-but-its-entries',
      // `check` reads what the client writes: the journal, and marks of indexes. `backup` is a member of the cluster. The process of a
      // managed master has it in.
      { path: '^src/(?!client/|register\\.ts|cli/(?:check|backup)/|managed-masters/child-database\\.ts)' },
      { path: '^src/client/' },
    ),
    rule(
      'websocket-knows-nothing-of-ours',
      { path: '^src/websocket/' },
      { pathNot: '^src/websocket/', dependencyTypesNot: ['core'] },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    reporterOptions: { archi: { collapsePattern: '^src/[^/]+(?:/[^/]+)?' } },
  },
};
