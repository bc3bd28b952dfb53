import '../test/support/register-typescript.js';
const { takeSample } = await import('./sample.ts');
const load = { kind: 'locks', workers: 8, inFlightEach: 8 };
const prof = process.argv[2];
for (const who of (process.argv[3]??'ours,yardstick').split(',')) {
  const s = await takeSample(who, load, { warmUpMs: 700, runMs: +(process.argv[4]??1500) }, prof ? ['--cpu-prof','--cpu-prof-dir='+prof] : []);
  console.log(who, Math.round(s.perSecond), 'server us/msg', s.serverMicroseconds?.toFixed(2), 'kernel', s.kernelMicroseconds?.toFixed(2), 'server share', s.serverShare?.toFixed(2), 'gen share', s.generatorShare.toFixed(2), JSON.stringify(s.counters));
}
