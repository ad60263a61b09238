import { type ServiceName, settlementV1 } from '@finality/contracts';
import { type SimulationServer, startSimulationServer } from '@finality/testing/simulation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLUEPRINTS } from '../services.ts';
import { crashEverywhere, LEAVES_SOMETHING, OF_SIGNING } from './crash-table.ts';

const { SETTLEMENT_MODE_BILATERAL } = settlementV1.SettlementMode;

let server: SimulationServer;

beforeAll(async () => {
  server = await startSimulationServer(BLUEPRINTS);
});

afterAll(() => server.stop());

describe('a payout settles once, whatever was the last that a process did', () => {
  it.each<[ServiceName, readonly string[]]>([
    [
      'settlement',
      [
        'submitSettlement: sql COMMIT',
        'settlement.consumer: sql COMMIT',
        'settlement assign destinations: address-issuer.issueInternalAddress',
        'settlement assign destinations: sql COMMIT',
        // Signed, and not stored.
        'settlement sign payouts: signer.signTransaction',
        'settlement sign payouts: sql COMMIT',
      ],
    ],
    // In the life of the service that asks: signed by a process that is gone before it answers.
    ['signer', ['settlement sign payouts: sql COMMIT']],
    ['address-issuer', ['settlement assign destinations: sql COMMIT', 'address-issuer.consumer: sql COMMIT']],
    [
      'chain-watcher',
      ['broadcast: node.sendRawTransaction', 'follow-chain: sql COMMIT', 'chain-watcher.consumer: sql COMMIT'],
    ],
  ])('%s', async (service, among) => {
    const crashes = await crashEverywhere(server, service, {
      mode: SETTLEMENT_MODE_BILATERAL,
      from: 'signer',
      among: LEAVES_SOMETHING,
    });
    expect([...new Set(crashes.map(({ after }) => after))]).toEqual(expect.arrayContaining([...among]));
    expect(crashes.filter(({ settled }) => settled !== 1)).toEqual([]);
  });

  it.each<[ServiceName, readonly string[]]>([
    [
      'settlement',
      [
        'preparePsbt: sql COMMIT',
        // Committed to, and not in the signer's journal.
        'preparePsbt: point settlement.psbt-committed',
        'preparePsbt: signer.recordHandOut',
        // In the journal, and never handed out.
        'preparePsbt: point settlement.hand-out-journaled',
        'submitSignedPsbt: sql COMMIT',
      ],
    ],
    ['signer', ['preparePsbt: point signer.hand-out-journaled', 'preparePsbt: sql COMMIT']],
  ])('%s, where its payer signs for himself', async (service, among) => {
    const crashes = await crashEverywhere(server, service, {
      mode: SETTLEMENT_MODE_BILATERAL,
      from: 'owner',
      among: OF_SIGNING,
    });
    expect([...new Set(crashes.map(({ after }) => after))]).toEqual(expect.arrayContaining([...among]));
    expect(crashes.filter(({ settled }) => settled !== 1)).toEqual([]);
  });
});
