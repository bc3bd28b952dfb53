/** Whether tests that have a short form run in their long one: `npm run test:nightly` asks for that. */
export const isInFull = process.env['TESTS_IN_FULL'] === '1';
