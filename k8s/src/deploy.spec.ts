import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { deployment } from './deploy.ts';

const root = path.resolve(import.meta.dirname, '../..');
const files = deployment();

describe('deploy/', () => {
  // What is committed is the snapshot: a change of the constructs shows as a change of what is applied.
  it.each([...files.keys()])('%s is what k8s/ makes', async (file) => {
    await expect(files.get(file)).toMatchFileSnapshot(path.join(root, file));
  });

  it('has nothing else among what is generated', () => {
    const present = ['deploy/manifests', 'deploy/helm', 'deploy/monitoring'].flatMap((directory) =>
      readdirSync(path.join(root, directory), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
    );
    expect(present.toSorted()).toEqual([...files.keys()].toSorted());
  });

  it('is the same every time', () => {
    expect(deployment()).toEqual(files);
  });
});
