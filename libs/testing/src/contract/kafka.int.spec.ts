import { afterAll, beforeAll, describe, test } from 'vitest';
import { kafkaMissing, KafkaRig, type RelayLoop, SettledDriver } from './kafka-rig.fixture.ts';
import { messagingContract } from './messaging.contract.ts';

if (kafkaMissing === undefined) {
  const rig = new KafkaRig();
  beforeAll(() => rig.open());
  afterAll(() => rig.close());

  describe('KafkaDriver', () => {
    const relays = new Map<string, RelayLoop>();
    messagingContract(
      (setting) => {
        const prefix = `${setting.source.name}.`;
        return new SettledDriver(rig.driver(setting, prefix), relays.get(prefix)!);
      },
      {
        prepare: async ({ source, sink }) => {
          const prefix = `${source.name}.`;
          await rig.topics(prefix);
          await rig.beginAtStart(prefix, sink.name);
          relays.set(prefix, rig.relayLoop(source, prefix));
        },
      },
    );
  });
} else {
  test.skipIf(process.env['CI'] !== 'true')(`KafkaDriver (${kafkaMissing})`, () => {
    throw new Error(kafkaMissing);
  });
}
