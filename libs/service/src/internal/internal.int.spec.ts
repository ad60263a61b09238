import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ledgerV1, messagingV1, type ServiceName } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { testDatabase, type TestDatabase } from '@finality/testing';
import { type CertificateFiles, ensureCertificates } from '@finality/tools/certificates/certificates.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectService, type ServiceClient } from '../grpc/client.ts';
import { RefusalException, refusalOf } from '../grpc/refusal-status.ts';
import { silentLog } from '../logging/log.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { StartupError } from '../startup-error.ts';
import { InternalServer } from './internal-server.ts';
import { messageService, messagesOf, ownersMessages } from './published-messages.ts';
import { channelCredentials, readTls } from './tls.ts';
import { TlsIdentity } from './tls-identity.ts';

type Ledger = ledgerV1.InternalLedgerServiceServer;
const TOPIC = 'finality.test.things.v1';
const runtime = systemRuntime();
const CUT = ledgerV1.LedgerCut.fromPartial({ position: 2n ** 53n + 1n });

let home: string;
let certificates: ReadonlyMap<string, CertificateFiles>;
let db: TestDatabase;
let server: InternalServer;
let address: string;
const clients: ServiceClient<unknown>[] = [];

const identityOf = (name: string, from = certificates): TlsIdentity => new TlsIdentity(from.get(name)!, silentLog);

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'finality-internal-'));
  certificates = await ensureCertificates(path.join(home, 'ours'), ['settlement', 'reconciliation', 'risk']);
  db = await testDatabase(['settlement']);
  server = new InternalServer({ host: '127.0.0.1', port: 0, tls: identityOf('settlement'), runtime, log: silentLog });
  const ledger = { definition: ledgerV1.InternalLedgerServiceService, callers: { getLedgerCut: ['reconciliation'] } };
  let calls = 0;
  server.serve(ledger as never, {
    getLedgerCut: () =>
      ++calls % 2 === 1
        ? Promise.resolve(CUT)
        : Promise.reject(new RefusalException(refusal('not_found', 'NO_CUT', 'there is none'))),
  });
  server.serve(messageService, messagesOf(db.service('settlement'), [TOPIC]));
  const bound = await server.listen();
  address = `${bound.host}:${bound.port}`;
});

afterAll(async () => {
  for (const client of clients) client.close();
  await server?.stop(1_000);
  await db?.close();
  rmSync(home, { recursive: true, force: true });
});

function connect<Server>(
  definition: Parameters<typeof connectService>[0],
  tls: TlsIdentity | undefined,
  peer: ServiceName = 'settlement',
): ServiceClient<Server>['calls'] {
  const client = connectService<Server>(definition, {
    address,
    runtime,
    timeoutMs: 5_000,
    ...(tls && { credentials: channelCredentials(tls, peer), serverName: peer }),
  });
  clients.push(client as ServiceClient<unknown>);
  return client.calls;
}

const ledgerAs = (tls: TlsIdentity | undefined, peer?: ServiceName) =>
  connect<Ledger>(ledgerV1.InternalLedgerServiceService, tls, peer);

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('calls between our services', () => {
  it('reach whoever they are for, and bring back what it says or why not', async () => {
    const ledger = ledgerAs(identityOf('reconciliation'));
    expect(await ledger.getLedgerCut({})).toEqual(CUT);
    expect(refusalOf(await failure(ledger.getLedgerCut({})))).toMatchObject({ kind: 'not_found', reason: 'NO_CUT' });
  });

  it('are refused to a service that has no business there', async () => {
    const refused = refusalOf(await failure(ledgerAs(identityOf('risk')).getLedgerCut({})));
    expect(refused).toMatchObject({ kind: 'permission_denied', reason: 'CALLER_NOT_ALLOWED' });
    expect(refused?.message).toContain('risk');
  });

  it('get nowhere without a certificate, or with one of another authority', async () => {
    const strangers = await ensureCertificates(path.join(home, 'others'), ['reconciliation']);
    const { key, certificate } = strangers.get('reconciliation')!;
    const { ca } = certificates.get('reconciliation')!;
    for (const tls of [undefined, new TlsIdentity({ ca, key, certificate }, silentLog)]) {
      expect(await failure(ledgerAs(tls).getLedgerCut({}))).toMatchObject({ code: 14 });
    }
  });

  it('aren’t made to another service than the one that is meant', async () => {
    const error = await failure(ledgerAs(identityOf('reconciliation'), 'risk').getLedgerCut({}));
    expect(error).toMatchObject({ code: 14 });
    expect(String(error)).toContain('certificate');
  });

  it('know each other by renewed certificates, of another authority even, without a restart at either end', async () => {
    const copies = (name: string): CertificateFiles => {
      const files = { ca: `${name}.ca`, certificate: `${name}.crt`, key: `${name}.key` };
      return Object.fromEntries(
        Object.entries(files).map(([what, file]) => [what, path.join(home, file)]),
      ) as unknown as CertificateFiles;
    };
    const put = (from: CertificateFiles, to: CertificateFiles): void => {
      for (const what of ['ca', 'certificate', 'key'] as const) copyFileSync(from[what], to[what]);
    };
    const [serving, calling] = [copies('serving'), copies('calling')];
    put(certificates.get('settlement')!, serving);
    put(certificates.get('reconciliation')!, calling);
    const [ofServer, ofClient] = [new TlsIdentity(serving, silentLog), new TlsIdentity(calling, silentLog)];
    const renewing = new InternalServer({ host: '127.0.0.1', port: 0, tls: ofServer, runtime, log: silentLog });
    const ledger = { definition: ledgerV1.InternalLedgerServiceService, callers: { getLedgerCut: ['reconciliation'] } };
    renewing.serve(ledger as never, { getLedgerCut: () => Promise.resolve(CUT) });
    const bound = await renewing.listen();
    const ask = (tls: TlsIdentity): Promise<unknown> => {
      const options = { address: `${bound.host}:${bound.port}`, runtime, timeoutMs: 5_000, serverName: 'settlement' };
      const credentials = channelCredentials(tls, 'settlement');
      const client = connectService<Ledger>(ledgerV1.InternalLedgerServiceService, { ...options, credentials });
      return client.calls.getLedgerCut({}).finally(() => client.close());
    };
    try {
      expect(await ask(ofClient)).toEqual(CUT);
      const renewed = await ensureCertificates(path.join(home, 'renewed'), ['settlement', 'reconciliation']);
      put(renewed.get('settlement')!, serving);
      await ofServer.step();
      // Of the authority before.
      expect(await failure(ask(ofClient))).toMatchObject({ code: 14 });
      // Half of it is there yet: what there was before stays.
      copyFileSync(renewed.get('reconciliation')!.certificate, calling.certificate);
      await ofClient.step();
      expect(await failure(ask(ofClient))).toMatchObject({ code: 14 });
      put(renewed.get('reconciliation')!, calling);
      await ofClient.step();
      expect(await ask(ofClient)).toEqual(CUT);
      expect(ofClient.endsAt.getTime()).toBeGreaterThan(Date.now());
    } finally {
      await renewing.stop(1_000);
    }
  });

  it('need files that can be read and fit together', () => {
    const files = certificates.get('risk')!;
    expect(() => readTls({ ...files, key: path.join(home, 'nothing') })).toThrow(/TLS_KEY_FILE: can't read/);
    const broken = path.join(home, 'broken.pem');
    writeFileSync(broken, 'not a key');
    for (const key of [broken, certificates.get('settlement')!.key]) {
      expect(() => readTls({ ...files, key })).toThrow(StartupError);
    }
  });
});

describe('an owner’s messages', () => {
  const asked = () =>
    ownersMessages(() =>
      connect<messagingV1.MessageServiceServer>(messagingV1.MessageServiceService, identityOf('risk')),
    );

  beforeAll(async () => {
    const { owner, schema } = db.service('settlement');
    for (let i = 1; i <= 5; i++) {
      const headers = JSON.stringify({ ce_id: `id-${i}`, ce_type: 'finality.test.v1.Thing', ce_schemaversion: '1' });
      await owner.query(
        `INSERT INTO ${schema}.published_messages (position, ordinal, topic, ordering_key, sequence, headers, payload)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [Math.ceil(i / 2), i % 2, TOPIC, i % 2 ? 'odd' : 'even', Math.ceil(i / 2), headers, Buffer.from([i, 0, 255])],
      );
    }
  });

  it('come in the order of its log, a page at a time, as they were stored', async () => {
    const messages = asked();
    const first = await messages.list(TOPIC, { position: 0n, ordinal: 0 }, 3);
    expect(first.map(({ position, ordinal }) => [position, ordinal])).toEqual([
      [1n, 0],
      [1n, 1],
      [2n, 0],
    ]);
    expect(first[1]).toMatchObject({ topic: TOPIC, orderingKey: 'odd', sequence: 1n, id: 'id-1', schemaVersion: 1 });
    expect([...first[1]!.payload]).toEqual([1, 0, 255]);
    const rest = await messages.list(TOPIC, first[2]!, 3);
    expect(rest.map(({ position, ordinal }) => [position, ordinal])).toEqual([
      [2n, 1],
      [3n, 1],
    ]);
    expect(await messages.list(TOPIC, rest[1]!, 3)).toEqual([]);
  });

  it('of one key come from a sequence on', async () => {
    const odd = await asked().ofKey({ topic: TOPIC, orderingKey: 'odd' }, 2n, 10);
    expect(odd.map(({ sequence }) => sequence)).toEqual([2n, 3n]);
  });

  it('of a topic that it doesn’t own are refused', async () => {
    const error = await failure(asked().list('finality.other.v1', { position: 0n, ordinal: 0 }, 1));
    expect(refusalOf(error)).toMatchObject({ kind: 'invalid_argument', fields: [{ field: 'topic' }] });
  });
});
