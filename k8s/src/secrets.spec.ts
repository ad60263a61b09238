import { createHmac, createHash } from 'node:crypto';
import { parseApiKey } from '@finality/service';
import { describe, expect, it } from 'vitest';
import { Cluster } from './cluster.fixture.ts';
import { local } from './environments/local.ts';
import { makeSecrets, secretManifests } from './secrets.ts';
import { SERVICES } from './services.ts';

let drawn = 0;
/** Other bytes every time. */
const random = (bytes: number): Buffer => createHash('sha512').update(String(drawn++)).digest().subarray(0, bytes);
const certificates = new Map(SERVICES.map(({ name }) => [name, { ca: 'CA', certificate: `${name}`, key: 'KEY' }]));

describe('secrets for one machine', () => {
  it('are as bitcoind and settlement check them', () => {
    const secrets = makeSecrets(random);
    const [, user, salt, hash] = /^([^:]+):([0-9a-f]+)\$([0-9a-f]{64})$/.exec(secrets.bitcoinAuth)!;
    expect(user).toBe('finality');
    expect(hash).toBe(createHmac('sha256', salt!).update(secrets.bitcoinPassword).digest('hex'));
    const keys = secrets.operatorApiKeys.map((key) => parseApiKey(key)!);
    expect(JSON.parse(secrets.firstKeys)).toEqual(
      keys.map(({ keyId, secretSha256 }, i) => ({
        keyId,
        roles: ['operator', 'compliance'],
        label: `${['first', 'second'][i]} operator`,
        secretSha256: Buffer.from(secretSha256).toString('hex'),
      })),
    );
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(2);
  });

  it('are another one for each use', () => {
    const { databasePasswords, postgresPassword, bitcoinPassword, signerPassphrase } = makeSecrets(random);
    const all = [...Object.values(databasePasswords), postgresPassword, bitcoinPassword, signerPassphrase];
    expect(new Set(all).size).toBe(SERVICES.length + 3);
  });

  it('are all that the manifests of local refer to', () => {
    const made = new Map(
      secretManifests(local, makeSecrets(random), certificates).map(({ metadata, stringData }) => [
        metadata.name,
        Object.keys(stringData as object),
      ]),
    );
    const { workloads } = new Cluster(local);
    for (const { pod } of workloads) {
      for (const { env = [] } of pod.containers)
        for (const { name, valueFrom } of env)
          if (valueFrom?.secretKeyRef)
            expect(made.get(valueFrom.secretKeyRef.name), name).toContain(valueFrom.secretKeyRef.key);
      for (const { secret } of pod.volumes ?? [])
        if (secret) expect([...made.keys()]).toContain((secret as { secretName: string }).secretName);
    }
    expect(workloads.length).toBeGreaterThan(SERVICES.length);
  });
});
