import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

describe.each(['README.md', 'docs/architecture.md', 'docs/deployment.md', 'docs/operations.md', 'docs/recovery.md'])(
  '%s',
  (document) => {
    const text = read(document);

    it('names only what is there', () => {
      const named = [...text.matchAll(/`((?:apps|libs|tools|docs|docker|k8s|deploy)\/[^`*<\s]+)`/g)].map(
        ([, name]) => name!,
      );
      expect(named.length).toBeGreaterThan(0);
      // What is made here and stays here.
      const ignored = read('.gitignore').split('\n');
      expect(named.filter((name) => !ignored.includes(name) && !existsSync(path.join(root, name)))).toEqual([]);
    });

    it('links only to what is there', () => {
      const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!);
      const files = links.filter((target) => !/^https?:/.test(target));
      expect(files.filter((file) => !existsSync(path.join(root, path.dirname(document), file)))).toEqual([]);
    });

    it('names only commands that there are', () => {
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
      const commands = [...text.matchAll(/npm run (?:--silent )?([a-z0-9]+)/g)].map(([, name]) => name!);
      expect(commands.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
    });
  },
);

it('README.md shows every app and library', () => {
  const text = read('README.md');
  const tree = text.slice(text.indexOf('## Where things are'), text.indexOf('## Configuration'));
  const projects = (JSON.parse(read('package-lock.json')) as { packages: Record<string, unknown> }).packages;
  const names = Object.keys(projects).flatMap((place) => /^(?:apps|libs)\/([^/]+)$/.exec(place)?.[1] ?? []);
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !tree.includes(`${name}/`))).toEqual([]);
});
