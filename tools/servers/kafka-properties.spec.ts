import { describe, expect, it } from 'vitest';
import { kafkaProperties } from './kafka-properties.ts';

const ports = { plain: 20_001, sasl: undefined, controller: 20_002 };

function parse(text: string): Record<string, string> {
  return Object.fromEntries(text.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2))) as Record<string, string>;
}

describe('kafkaProperties', () => {
  it('listens on loopback only, makes no topics by itself and deletes nothing', () => {
    const properties = parse(kafkaProperties({ dataDir: '/data' }, ports));
    expect(properties).toMatchObject({
      listeners: 'PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002',
      'advertised.listeners': 'PLAINTEXT://127.0.0.1:20001',
      'auto.create.topics.enable': 'false',
      'log.retention.ms': '-1',
      'log.retention.bytes': '-1',
      'log.dirs': '/data/data',
    });
    expect(properties).not.toHaveProperty('sasl.enabled.mechanisms');
  });

  it('has a listener for those with a password when there are any', () => {
    const properties = parse(
      kafkaProperties({ dataDir: '/data', saslUsers: { a: 'b.c' } }, { ...ports, sasl: 20_003 }),
    );
    expect(properties['advertised.listeners']).toBe('PLAINTEXT://127.0.0.1:20001,SASL_PLAINTEXT://127.0.0.1:20003');
    expect(properties['listener.name.sasl_plaintext.plain.sasl.jaas.config']).toContain(' user_a="b.c";');
  });

  it('refuses what would have to be quoted in a password', () => {
    expect(() => kafkaProperties({ dataDir: '/data', saslUsers: { a: 'b"; user_root="' } }, ports)).toThrow(/letters/);
  });

  it('lets settings of the caller win, and writes what isn’t ASCII as Java reads it', () => {
    const properties = parse(kafkaProperties({ dataDir: '/dätä\\', settings: { 'log.retention.ms': '1000' } }, ports));
    expect(properties).toMatchObject({ 'log.retention.ms': '1000', 'log.dirs': '/d\\u00e4t\\u00e4\\\\/data' });
  });
});
