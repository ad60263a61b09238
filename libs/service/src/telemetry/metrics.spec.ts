import { expect, test } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { Metrics } from './metrics.ts';

test('services that share a process share metrics, each with its own series', async () => {
  const metrics = new Metrics(silentLog);
  for (const service of ['risk', 'aml']) {
    const of = metrics.forService(service);
    of.counter('verdicts_total', 'Verdicts', ['verdict']).inc({ verdict: 'approved' });
    of.gauge('tip_height', 'Height').set(7);
    of.histogram('seconds', 'Duration', [1, 2]).observe(1.5);
    of.watch('lag', 'Messages behind', { topic: 't' }, () => Promise.resolve(service.length));
  }
  metrics.forService('aml').counter('verdicts_total', 'Verdicts', ['verdict']).inc({ verdict: 'approved' }, 2);
  const { body, contentType } = await metrics.render();
  expect(contentType).toContain('text/plain');
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(
    lines.map((line) => line.replace(/\{(.*)\}/, (_all, labels: string) => `{${labels.split(',').sort().join()}}`)),
  ).toEqual(
    expect.arrayContaining([
      'verdicts_total{service="risk",verdict="approved"} 1',
      'verdicts_total{service="aml",verdict="approved"} 3',
      'tip_height{service="risk"} 7',
      'tip_height{service="aml"} 7',
      'seconds_bucket{le="2",service="aml"} 1',
      'lag{service="risk",topic="t"} 4',
      'lag{service="aml",topic="t"} 3',
    ]),
  );
});

test('a value that can’t be read is absent, not stale; the others are there', async () => {
  const metrics = new Metrics(silentLog);
  let broken = false;
  metrics.forService('a').watch('lag', 'Messages behind', {}, () => (broken ? Promise.reject(new Error('away')) : 1));
  metrics.forService('b').watch('lag', 'Messages behind', {}, () => 2);
  expect((await metrics.render()).body).toContain('lag{service="a"} 1');
  broken = true;
  const { body } = await metrics.render();
  expect(body).not.toContain('service="a"');
  expect(body).toContain('lag{service="b"} 2');
});

test('a series for each value of a label comes and goes with it', async () => {
  const metrics = new Metrics(silentLog);
  const owed = new Map([
    ['BTC', 1],
    ['USD', 2],
  ]);
  metrics.forService('a').watchEach('owed', 'What is owed', 'unit', () => Promise.resolve(owed));
  const series = async (): Promise<string[]> => (await metrics.render()).body.match(/^owed\{.*$/gm) ?? [];
  expect(await series()).toHaveLength(2);
  expect((await series()).find((line) => line.includes('unit="USD"'))).toMatch(/ 2$/);
  owed.delete('USD');
  expect(await series()).toHaveLength(1);
});

test('one name for two things is a bug', () => {
  const metrics = new Metrics(silentLog);
  metrics.forService('a').counter('x_total', 'X', ['mode']);
  expect(() => metrics.forService('b').counter('x_total', 'X')).toThrow('x_total');
  expect(() => metrics.forService('b').gauge('x_total', 'X', ['mode'])).toThrow('x_total');
});
